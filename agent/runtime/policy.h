// What the configuration of an identity decides, as the identity machine knows it.
#pragma once

#include "agent/config/configuration.h"
#include "agent/lifecycle/step.h"

namespace hwenroll::runtime {

/// The sections that one identity depends on.
struct IdentitySections {
    const config::IdentitySettings& identity;
    const config::AuthoritySettings& authority;
    const config::TokenSettings& token;
    const config::LimitSettings& limits;
    const config::TokenSettings* signer_token = nullptr;  ///< of `signer`; nullptr: none
};

/// All of the policy but what the CA and the clock say.
lifecycle::Policy policy_of(const IdentitySections& sections, TimePoint now);

}  // namespace hwenroll::runtime
