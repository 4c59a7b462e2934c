// hwenroll-token as a service of systemd: the socket that it was given, and the agent that comes through it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace hwenroll::keystore {

/// The one listening SOCK_SEQPACKET Unix socket of the unit (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS). Takes what says
/// so out of the environment. Call once, before other threads. Error code: token_worker.
Result<FileDescriptor> inherited_socket();

/// The number of the user `name`, which may be the number itself. Error code: token_worker.
Result<uid_t> user_number(const std::string& name);

/// The next connection, marked close-on-exec; nothing when none comes within `patience`. Blocks. Error code:
/// token_worker.
Result<std::optional<FileDescriptor>> next_connection(const FileDescriptor& listening,
                                                      std::chrono::milliseconds patience);

/// Readable once SIGTERM was sent to this process, which no longer ends by it. Call before other threads. Error code:
/// token_worker.
Result<FileDescriptor> termination_descriptor();

}  // namespace hwenroll::keystore
