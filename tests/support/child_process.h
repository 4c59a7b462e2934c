// Programs that a test starts.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hwenroll::test {

/// How a process ended: one of the two is meaningful.
struct ChildExit {
    int exit_code = -1;  ///< -1 when a signal ended it
    int signal = 0;      ///< 0 when it exited
};

/// How to start a program, beyond its arguments.
struct ChildOptions {
    std::vector<std::string> environment;  ///< `NAME=value` sets or replaces, `NAME` alone removes
    std::filesystem::path directory;       ///< working directory; empty: the test's
    std::string input;                     ///< its standard input
};

/// A running program. Its output goes to anonymous files, so that it never blocks on a reader; both can be read while
/// it runs. It inherits no other descriptor. Killed (SIGKILL) and reaped with this object. One thread at a time.
class ChildProcess {
 public:
    /// Starts arguments[0], looked up in PATH unless it holds a slash. Throws std::runtime_error when it cannot.
    explicit ChildProcess(std::vector<std::string> arguments, const ChildOptions& options = {});
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess();

    [[nodiscard]] pid_t pid() const { return pid_; }

    /// Waits for its end; nothing if it still runs after `timeout`.
    std::optional<ChildExit> wait(std::chrono::milliseconds timeout);

    /// Sends `number` unless it has ended.
    void kill(int number) const;

    /// What it has printed so far.
    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;

 private:
    pid_t pid_ = -1;
    int ended_ = -1;  ///< pidfd
    int out_ = -1;
    int err_ = -1;
    std::optional<ChildExit> exit_;
};

/// The whole run of a program.
struct RunResult {
    int exit_code = -1;
    int signal = 0;
    bool timed_out = false;  ///< it was killed after the timeout
    std::string out;
    std::string err;
};

/// Starts a program and waits for its end. Throws std::runtime_error when it cannot be started.
RunResult run(std::vector<std::string> arguments, const ChildOptions& options = {},
              std::chrono::milliseconds timeout = std::chrono::seconds(60));

/// Waits until a server accepts connections on 127.0.0.1:`port`; false after `timeout`. A server that we did not write
/// announces its readiness in no other way, so this tries every 10 ms.
bool wait_until_listening(std::uint16_t port, std::chrono::milliseconds timeout);

}  // namespace hwenroll::test
