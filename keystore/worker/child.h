// A child process that is never left behind.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/file_descriptor.h"

namespace hwenroll::keystore {

/// The moment by which something must be done, on a clock that does not jump.
using Deadline = std::chrono::steady_clock::time_point;

/// Milliseconds until `deadline` for poll(2): rounded up, never negative.
int poll_timeout(Deadline deadline);

/// How long a killed child may take to end. One that is stuck in the kernel (a driver in uninterruptible sleep) takes
/// longer: it is given up and reaped later, by whoever next kills or starts a child here.
inline constexpr std::chrono::milliseconds kill_patience{500};

/// Owns a child process: kills (SIGKILL) and reaps it on destruction unless it has been reaped. Not thread-safe.
class Child {
 public:
    /// Takes over `pid`, a child of this process that nobody else waits for.
    explicit Child(pid_t pid);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }

    /// Becomes readable when the child ends; -1 where the kernel has no pidfd_open(2).
    [[nodiscard]] int exit_descriptor() const { return exit_.get(); }

    /// Waits until the child ends and reaps it; the wait status of wait(2), or nothing if it still runs at `deadline`.
    std::optional<int> wait(Deadline deadline);

    /// SIGKILL to the child, or to the process group it leads, then reaps it. Returns the wait status, or nothing when
    /// the child has not ended within kill_patience.
    std::optional<int> kill(bool group = false);

 private:
    pid_t pid_;
    std::optional<int> status_;
    bool given_up_ = false;
    FileDescriptor exit_;
};

/// `exited with status 3`, `ended by SIGSEGV`.
std::string describe_wait_status(int status);

}  // namespace hwenroll::keystore
