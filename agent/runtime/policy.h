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

/// Marks of the sections (configuration_mark.h); `signer` is empty without one. Hashes over much text: to be kept.
struct PolicyMarks {
    Bytes configuration;
    Bytes request;
    Bytes name;
    Bytes content;
    Bytes signer;
};
PolicyMarks marks_of(const IdentitySections& sections);

/// All of the policy but what the CA and the clock say. `marks` are those of the sections.
lifecycle::Policy policy_of(const IdentitySections& sections, PolicyMarks marks, TimePoint now);

/// Of the policy only what lifecycle::renewal_time() looks at: for thousands of identities at once.
lifecycle::Policy renewal_policy_of(const config::IdentitySettings& identity);

}  // namespace hwenroll::runtime
