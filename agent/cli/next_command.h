// What to type after a failure.
#pragma once

#include <optional>
#include <string>

#include "agent/config/configuration.h"
#include "base/error.h"

namespace hwenroll::cli {

/// One command that leads on from the failure of an identity. `configuration`: the one at hand, for the files of its
/// secrets and the name of its CA; null: there is none.
std::string next_command(ErrorCode code, const std::string& identity, const config::Configuration* configuration);

/// The same for a token.
std::string next_command(ErrorCode code, const config::TokenSettings& token);

/// The code at the beginning of Error::line().
std::optional<ErrorCode> code_in(const std::string& line);

/// `install …` that writes a secret from standard input into `path`, for the agent's user where this machine has it.
std::string secret_command(const std::string& path);

}  // namespace hwenroll::cli
