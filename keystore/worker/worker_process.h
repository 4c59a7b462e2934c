// One run of hwenroll-token: a child of the agent, or a service of systemd.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
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
    /// Where hwenroll-token@NAME.socket listens, as NAME (docs/token-services.md); a token without one gets a child.
    /// Empty: every worker is a child.
    std::filesystem::path services = "";
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

/// What ends a worker from another thread: the connection to it. Not thread-safe.
class KillSwitch {
 public:
    KillSwitch() = default;

    /// The end of the connection for both sides. The worker ends with it, but for a C_Login under way (ADR 0025); an
    /// exchange under way fails, and kills a child that has not ended then. Nothing if it was reset or the worker has
    /// ended.
    void use() const;

    void reset() { connection_.reset(); }

 private:
    friend class WorkerProcess;
    FileDescriptor connection_;
};

/// A running worker. Ends with this object. Not thread-safe.
///
/// start() makes a child with one end of a SOCK_SEQPACKET socketpair as descriptor 3, standard input on /dev/null,
/// its output and errors on our standard error, and nothing else of ours open. It gets the agent's environment, which
/// holds no secret, without what systemd addresses to the agent alone. Its end takes at most 2 s, then it is killed.
///
/// connect() reaches a service, which is another user's process: it ends because its connection does, or by its own
/// watch over its deadlines, and cannot be killed. One that does neither keeps the next connection waiting.
class WorkerProcess {
 public:
    /// Starts the program. Error code: token_worker.
    static Result<std::unique_ptr<WorkerProcess>> start(const WorkerProgram& program, const std::string& token);

    /// Connects to the socket of a service, which must be this user's or root's; the service may start meanwhile.
    /// Does not wait. Error code: token_worker.
    static Result<std::unique_ptr<WorkerProcess>> connect(const std::filesystem::path& socket,
                                                          const std::string& token);

    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;
    ~WorkerProcess();

    /// Sends one request and waits for its answer until `deadline`; returns at most 0.2 s later, or 0.7 s when the
    /// killed worker is stuck in the kernel. An Error that the worker answered is a value here. After an error of this
    /// call the worker is gone: killed, and reaped if it ends at all; or its connection is closed. Error codes:
    /// token_deadline, token_worker, token_protocol.
    Result<ResponseBody> exchange(RequestBody body, Deadline deadline, const ExchangeSubject& subject);

    /// Of a child; -1 of a service.
    [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : -1; }

    [[nodiscard]] KillSwitch kill_switch() const;

    /// The other end of the connection is closed. Does not wait.
    [[nodiscard]] bool has_ended() const;

 private:
    explicit WorkerProcess(FileDescriptor socket) : socket_(std::move(socket)) {}

    Error late(const ExchangeSubject& subject);
    Error ended(Deadline deadline, const ExchangeSubject& subject);
    Error confused(const ExchangeSubject& subject, const std::string& why);
    void give_up();

    FileDescriptor socket_;
    std::optional<Child> child_;
    std::string unit_;  ///< of a service, for messages
    std::uint32_t sequence_ = 0;
};

}  // namespace hwenroll::keystore
