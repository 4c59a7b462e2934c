// What `envelope` of a CA asks of the identities under it. Internal to this module.
#pragma once

#include <optional>
#include <string>

#include "agent/config/configuration.h"

namespace hwenroll::config {

/// What is wrong with an identity's `key` under its CA.
struct EnvelopeObjection {
    ErrorCode code;
    std::string what;
    std::string why;
    std::string next;
};

/// Nothing where the identity could open the replies of that CA. An EC key needs an `envelope`; what is encrypted
/// under the challenge, and every renewal that an RSA key beside it signs, needs a challenge that can be read again
/// (design, "Re-sending"); so do the polls and queries of an RSA key where the CA may have none (ENV-5).
std::optional<EnvelopeObjection> envelope_objection(const IdentitySettings& identity,
                                                    const AuthoritySettings& authority);

}  // namespace hwenroll::config
