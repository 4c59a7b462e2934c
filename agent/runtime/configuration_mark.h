// A short name for "the settings that this identity's requests depend on", to notice that an operator changed them.
#pragma once

#include "agent/config/configuration.h"

namespace hwenroll::runtime {

/// SHA-256 over the settings of the identity, its CA and its token, and over the metadata (never the contents) of the
/// challenge's file: a new challenge releases a hold (FI-2).
Bytes configuration_mark(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                         const config::TokenSettings& token);

}  // namespace hwenroll::runtime
