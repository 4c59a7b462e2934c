// Both steps of a login in one, for tests that are about neither.
#pragma once

#include <utility>

#include "keystore/token.h"

namespace hwenroll::keystore {

/// prepare_login() and login(); a preparation that fails reads as a login that was not tried.
inline LoginOutcome try_login(Token& token, const LoginHistory& history = {}) {
    auto prepared = token.prepare_login();
    if (!prepared) {
        return {LoginOutcome::Result::not_tried, std::nullopt, std::move(prepared.error())};
    }
    return token.login(history);
}

}  // namespace hwenroll::keystore
