// The configuration as it is in force: every key of every part with its value, the defaults included.
#pragma once

#include "agent/config/configuration.h"
#include "agent/config/toml_document.h"

namespace hwenroll::config {

/// Sections `agent`, `limits`, `token`, `ca` and `identity` in this order; the last three hold a table for each part
/// that is not disabled. The place of a value is where it was written, or `default` without a line; OtherValue stands
/// for a key without a value. Variables are replaced. Written with to_toml() it reads back to the same settings. It
/// holds where secrets are, never a secret.
Table effective(const Configuration& configuration);

}  // namespace hwenroll::config
