// How the functions of value_syntax.h say no. Internal to this module.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace hwenroll::config {

/// `what` continues "'key' "; `next` overrides the error table's advice when not empty.
inline tl::unexpected<Error> refuse(std::string what, std::string next = {}) {
    return fail(ErrorCode::config_value, std::move(what), {}, std::move(next));
}

}  // namespace hwenroll::config
