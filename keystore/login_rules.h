// When a PIN may be used at all (design, "Keys stay on the device"; invariant 6). Pure.
#pragma once

#include <optional>
#include <string>

#include "keystore/token.h"

namespace hwenroll::keystore {

/// Why the token's own flags forbid an unattended login now, or nothing: its PIN is locked, its last try is left, or
/// tries are low after a login whose outcome is unknown (T10, T11). Error codes: token_pin_locked, token_pin_low.
std::optional<Error> forbidden_by_flags(const std::string& name, const TokenDescription& token,
                                        const LoginHistory& history);

/// Why a PIN from `source` must not be tried again, or nothing. `source` is nothing for sources without identity.
/// Error code: token_pin.
std::optional<Error> forbidden_by_refusal(const std::string& name, const std::optional<PinSourceIdentity>& source,
                                          const LoginHistory& history);

/// The error of a PIN that the token has just refused with `why`; the advice depends on whether the source has an
/// identity whose change can be seen.
Error refusal(const std::string& name, ErrorCode code, const std::string& why, bool source_has_identity);

}  // namespace hwenroll::keystore
