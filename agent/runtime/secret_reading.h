// Challenges, read at the moment of use and never stored (SEC-2).
#pragma once

#include <optional>

#include "agent/config/configuration.h"
#include "base/secret.h"

namespace hwenroll::runtime {

/// Reads a secret by the same rules as a PIN (keystore::PinSource): owner-only file, credential or command. Nothing
/// configured: an empty Secret. Blocks up to 30 s for a command. Error code: challenge_source.
Result<Secret> read_secret(const std::optional<config::SecretSource>& source);

}  // namespace hwenroll::runtime
