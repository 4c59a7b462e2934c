// A port for a server that cannot be told to take any.
#pragma once

#include <cstdint>

namespace hwenroll::test {

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago.
std::uint16_t free_port();

}  // namespace hwenroll::test
