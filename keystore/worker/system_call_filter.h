// What vendor code in the token worker may ask of the kernel (docs/adr/0013).
#pragma once

#include "base/result.h"

namespace hwenroll::keystore {

/// Sockets that are not Unix ones.
enum class Network : bool { denied, allowed };

/// Denies, to all threads and for good: running programs; looking into and tracing other processes, and making this one
/// dumpable again (not in sanitizer builds); kernel modules, mounts, swap, reboot, clocks, keyrings, BPF, performance
/// events, userfaultfd, io_uring; new namespaces and users; writing to a terminal's input. A denied call fails with
/// EPERM, so that a module that only looks what it may do lives on; a socket of a denied family with EAFNOSUPPORT, as
/// of a kernel that lacks it. With Network::allowed sockets may be of IPv4, IPv6 and netlink too. No new privileges
/// either (prctl(2)). Call once; a second call only adds. Error code: token_worker (a kernel or a container that has no
/// filters); then nothing is denied, and no vendor code may run.
Status deny_system_calls(Network network);

}  // namespace hwenroll::keystore
