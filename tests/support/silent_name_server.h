// A name server that takes every question and answers none.
#pragma once

namespace hwenroll::test {

/// Moves this process into a network and a mount namespace of its own where /etc/resolv.conf names a server on the
/// loopback interface that never answers. For a forked child without threads; it ends with the process. False where the
/// kernel does not allow it.
bool enter_network_with_silent_name_server();

}  // namespace hwenroll::test
