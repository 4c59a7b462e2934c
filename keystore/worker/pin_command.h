// A PIN that a command prints (`exec:` sources).
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace hwenroll::keystore {

/// Longest PIN that is read, in octets.
inline constexpr std::size_t max_pin_size = 255;

/// Runs the program `path` without arguments, without a shell, with an environment of PATH only, standard input and
/// error on /dev/null, and returns the first line of what it prints, without its line end. The program must exit 0
/// within `deadline`; then it is killed with its process group. It also dies with the calling thread. Blocks; any
/// thread. Error code: token_pin_source.
Result<Secret> run_pin_command(const std::string& path, std::chrono::milliseconds deadline);

}  // namespace hwenroll::keystore
