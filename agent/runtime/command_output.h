// A program of the system whose output is shown to somebody.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace hwenroll::runtime {

/// What `arguments` (the first is an absolute path) prints to both of its outputs, as Command has it: bounded,
/// printable, ended after `time`; its environment has the locale C and no more. What went wrong is told in the text.
/// Blocks.
std::string output_of(const std::vector<std::string>& arguments, std::chrono::milliseconds time);

/// The same for a process that goes on with what it prints. Error code: interrupted (SIGTERM or SIGINT came, which
/// would be lost otherwise).
Result<std::string> output_unless_ended(const std::vector<std::string>& arguments, std::chrono::milliseconds time);

}  // namespace hwenroll::runtime
