// One subjectAltName entry in the configuration's spelling.
#pragma once

#include <string_view>

#include "base/openssl_ptr.h"

namespace hwenroll::scep {

/// Adds `entry` (`dns:`, `ip:`, `email:`, `uri:` or `upn:` and a value) to `names`. Error codes: config_value, naming
/// the entry and what is wrong with it; crypto.
Status add_alternative_name(GENERAL_NAMES& names, std::string_view entry);

}  // namespace hwenroll::scep
