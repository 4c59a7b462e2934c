// How the token worker shuts itself off before it touches a PIN.
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::keystore {

/// Core files off; not dumpable, so that no process of the same user reads its memory (ptrace(2), proc(5)); all pages
/// locked where RLIMIT_MEMLOCK is unlimited or the process has CAP_IPC_LOCK, else none; SIGINT, SIGHUP, SIGTERM and
/// SIGQUIT left to the agent, whose end is the worker's. Sanitizer builds skip what stops the sanitizers. Call once,
/// before other threads. Error code: token_worker.
Status confine_process();

/// `descriptor` is a connected SOCK_SEQPACKET Unix socket whose peer ran as `agent` or root when it connected
/// (SO_PEERCRED). Marks it close-on-exec. Error code: token_worker.
Status check_connection(int descriptor, uid_t agent);

}  // namespace hwenroll::keystore
