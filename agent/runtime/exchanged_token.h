// Whether a token is the one that it was before (T22). Pure.
#pragma once

#include <optional>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/store/store.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

/// Why `present`, which matches the configured URI, must not be used: by the section's records another device that
/// matches it too, with another serial number or model, has accepted its PIN, and this one never has. The new one's PIN
/// tries are not spent on it; `hwenroll resume` forgets the other one. Error code: token_exchanged.
std::optional<Error> exchanged_token(const config::TokenSettings& settings,
                                     const std::vector<store::LoginRecord>& section,
                                     const keystore::TokenDescription& present);

}  // namespace hwenroll::runtime
