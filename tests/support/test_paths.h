// Where this build's programs, modules and recorded data are. The only test source that a checkout's place is compiled
// into, so that a compiler cache serves every checkout.
#pragma once

#include <string>

namespace hwenroll::test {

/// Absolute path of `name` in tests/data.
std::string test_data(const std::string& name);

/// Absolute path of `name` in the source tree.
std::string source_file(const std::string& name);

/// Absolute path of the program `name` of this build.
std::string program(const std::string& name);

/// Where the key `number` that tests share is kept in this build; it may not be there yet.
std::string test_key_file(int number);

/// Absolute path of the module `name` (a .so) of this build.
std::string module(const std::string& name);

}  // namespace hwenroll::test
