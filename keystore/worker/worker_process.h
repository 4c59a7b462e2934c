// One run of hwenroll-token as a child of the agent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keystore/worker/child.h"
#include "keystore/worker/token_protocol.h"

namespace hwenroll::keystore {

/// The token worker's program.
struct WorkerProgram {
    std::string path;  ///< absolute path of hwenroll-token
    /// `NAME=value` entries put before the agent's own environment; for tests.
    std::vector<std::string> environment;
};

/// Exit statuses of hwenroll-token.
inline constexpr int worker_exit_usage = 64;
inline constexpr int worker_exit_protocol = 76;
inline constexpr int worker_exit_denied = 77;
inline constexpr int worker_exit_deadline = 124;

/// What an exchange is about, for messages: "token 'lab'" and "signing".
struct ExchangeSubject {
    std::string token;
    std::string doing;
};

/// A running worker: a child with one end of a SOCK_SEQPACKET socketpair as descriptor 3, standard input on /dev/null,
/// its output and errors on our standard error, and nothing else of ours open. It gets the agent's environment, which
/// holds no secret, without what systemd addresses to the agent alone. Ends with this object, which takes at most 2 s
/// for that and then kills it. Not thread-safe.
class WorkerProcess {
 public:
    /// Starts the program. Error code: token_worker.
    static Result<std::unique_ptr<WorkerProcess>> start(const WorkerProgram& program, const std::string& token);

    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;
    ~WorkerProcess();

    /// Sends one request and waits for its answer until `deadline`; returns at most 0.2 s later, or 0.7 s when the
    /// killed worker is stuck in the kernel. An Error that the worker answered is a value here. After an error of this
    /// call the worker is gone: killed, and reaped if it ends at all. Error codes: token_deadline, token_worker,
    /// token_protocol.
    Result<ResponseBody> exchange(RequestBody body, Deadline deadline, const ExchangeSubject& subject);

    [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
    WorkerProcess(FileDescriptor socket, pid_t pid) : socket_(std::move(socket)), child_(pid) {}

    Error late(const ExchangeSubject& subject);
    Error ended(Deadline last, const ExchangeSubject& subject);
    Error confused(const ExchangeSubject& subject, const std::string& why);

    FileDescriptor socket_;
    Child child_;
    std::uint32_t sequence_ = 0;
};

}  // namespace hwenroll::keystore
