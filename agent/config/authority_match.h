// Whether two [ca.*] sections lead to one CA. Internal to this module.
#pragma once

#include "agent/config/configuration.h"

namespace hwenroll::config {

/// They are one section, or have an address and the `identifier` in common: two names for one CA. Addresses are
/// compared as RFC 3986 §6.2.2.1 and §6.2.3 have it: whatever the case of scheme and host, and without a port that is
/// the scheme's own.
bool is_same_authority(const AuthoritySettings& one, const AuthoritySettings& other);

}  // namespace hwenroll::config
