// A network of a test's own: for servers that bind every interface, and for fixed ports.
#pragma once

namespace hwenroll::test {

/// Moves this process, and so its children, into a new network namespace with nothing but a loopback interface that is
/// up. False, and nothing changed, where the kernel does not allow it. Call it before any thread is started.
bool enter_private_network();

}  // namespace hwenroll::test
