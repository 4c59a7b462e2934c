// A program of the system whose output is shown to somebody.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace hwenroll::cli {

/// What `arguments` (the first is an absolute path) prints to both of its outputs, at most `limit` octets of it, within
/// `time`; after either it is killed, and the text says so. Its input is empty, its environment has the locale C and no
/// more. A program that cannot be started is told of in the text.
std::string output_of(const std::vector<std::string>& arguments, std::size_t limit, std::chrono::milliseconds time);

}  // namespace hwenroll::cli
