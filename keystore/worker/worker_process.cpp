#include "keystore/worker/worker_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "keystore/worker/secret_keeper.h"
#include "keystore/worker/token_channel.h"

namespace hwenroll::keystore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The worker ends itself at the deadline; only one that cannot is killed this much later.
constexpr milliseconds grace{200};

/// How long a worker may take to end after its connection was closed.
constexpr milliseconds farewell{2000};

/// posix_spawn's lists, released with their scope.
class SpawnPlan {
 public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    /// Descriptor 3 first: `socket` may itself be a number that is replaced after it.
    int describe(int socket) {
        int error = posix_spawn_file_actions_adddup2(&actions_, socket, 3);
        error |= posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (fcntl(STDERR_FILENO, F_GETFD) < 0) {
            error |= posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        }
        // Vendor modules print; the standard output of a command belongs to its result.
        error |= posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
        error |= posix_spawn_file_actions_addclosefrom_np(&actions_, 4);
        sigset_t signals;
        sigfillset(&signals);
        error |= posix_spawnattr_setsigdefault(&attributes_, &signals);
        sigemptyset(&signals);
        error |= posix_spawnattr_setsigmask(&attributes_, &signals);
        // Vendor code has no part in the agent's terminal. Nothing gets lost: a worker ignores what a terminal sends,
        // and ends with its connection.
        error |=
            posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
        return error;
    }

    int spawn(pid_t& pid, const char* path, char* const* arguments, char* const* environment) {
        return posix_spawn(&pid, path, &actions_, &attributes_, arguments, environment);
    }

 private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

/// What systemd says to the agent and to nobody else (sd_notify(3), sd_listen_fds(3)).
bool is_for_the_agent_only(std::string_view variable) {
    constexpr std::array<std::string_view, 6> names{
        "NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_PID=", "LISTEN_FDNAMES=", "LISTEN_FDS="};
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return variable.starts_with(name); });
}

std::vector<std::string> environment_for(const WorkerProgram& program) {
    std::vector<std::string> variables = program.environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view variable(*entry);
        const std::string_view name = variable.substr(0, variable.find('=') + 1);
        const bool replaced = std::any_of(program.environment.begin(), program.environment.end(),
                                          [&](const std::string& added) { return added.starts_with(name); });
        if (!replaced && !is_for_the_agent_only(variable)) {
            variables.emplace_back(variable);
        }
    }
    return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

tl::unexpected<Error> cannot_start(const WorkerProgram& program, const std::string& token, int error) {
    return fail(ErrorCode::token_worker, fmt::format("cannot start the worker '{}' of {}", program.path, token),
                std::generic_category().message(error), "check that hwenroll is completely installed");
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const WorkerProgram& program, const std::string& token) {
    std::array<int, 2> ends{-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return cannot_start(program, token, errno);
    }
    FileDescriptor ours(ends[0]);
    const FileDescriptor theirs(ends[1]);
    std::vector<std::string> arguments{program.path, "--fd", "3"};
    if (const auto keeper = secret_keeper()) {
        arguments.insert(arguments.end(), {"--pin-keeper", std::to_string(*keeper)});
    }
    std::vector<std::string> environment = environment_for(program);
    SpawnPlan plan;
    pid_t pid = -1;
    int error = plan.describe(theirs.get());
    if (error == 0) {
        error = plan.spawn(pid, program.path.c_str(), pointers_to(arguments).data(), pointers_to(environment).data());
    }
    if (error != 0) {
        return cannot_start(program, token, error);
    }
    std::unique_ptr<WorkerProcess> worker(new WorkerProcess(std::move(ours)));
    worker->child_.emplace(pid);
    return worker;
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::connect(const std::filesystem::path& socket,
                                                              const std::string& token) {
    const std::string unit = fmt::format("hwenroll-token@{}", socket.filename().string());
    const auto refuse = [&](std::string why) {
        return fail(ErrorCode::token_worker,
                    fmt::format("cannot reach the service of {} at {}", token, socket.string()), std::move(why),
                    fmt::format("see systemctl status {}.socket", unit));
    };
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = socket.native();
    if (path.size() >= sizeof address.sun_path) {
        return refuse("the path is too long");
    }
    path.copy(address.sun_path, path.size());
    // Without waiting: a queue that is full stays so as long as the service hangs.
    FileDescriptor connection(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!connection.valid() ||
        ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return refuse(errno == ECONNREFUSED ? "nobody listens there" : std::generic_category().message(errno));
    }
    ucred listener{};
    socklen_t size = sizeof listener;
    if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) {
        return refuse(std::generic_category().message(errno));
    }
    if (listener.uid != 0 && listener.uid != geteuid()) {
        return refuse(fmt::format("user {} listens there, not root or user {}", listener.uid, geteuid()));
    }
    std::unique_ptr<WorkerProcess> worker(new WorkerProcess(std::move(connection)));
    worker->unit_ = unit;
    return worker;
}

WorkerProcess::~WorkerProcess() {
    socket_.reset();
    if (child_) {
        child_->wait(steady_clock::now() + farewell);
    }
}

KillSwitch WorkerProcess::kill_switch() const {
    KillSwitch made;
    made.connection_ = FileDescriptor(fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
    return made;
}

bool WorkerProcess::has_ended() const {
    pollfd connection{socket_.get(), POLLRDHUP, 0};
    return poll(&connection, 1, 0) != 0;
}

void KillSwitch::use() const {
    if (connection_.valid()) {
        shutdown(connection_.get(), SHUT_RDWR);
    }
}

Result<ResponseBody> WorkerProcess::exchange(RequestBody body, Deadline deadline, const ExchangeSubject& subject) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    const std::uint32_t sequence = ++sequence_;
    const Secret request = encode(Request{sequence, std::max(left, milliseconds(1)), std::move(body)});
    Transfer transfer = send_message(socket_.get(), request.reveal(), deadline + grace);
    Received answer;
    if (transfer == Transfer::done) {
        answer = receive_message(socket_.get(), deadline + grace);
        transfer = answer.transfer;
    }
    switch (transfer) {
        case Transfer::timed_out:
            return fail(late(subject));
        case Transfer::closed:
            return fail(ended(deadline, subject));
        case Transfer::malformed:
            return fail(confused(subject, "its packets make no message, or the request is too long"));
        case Transfer::done:
            break;
    }
    auto response = decode_response(answer.message.reveal());
    if (!response || response->sequence != sequence) {
        return fail(confused(subject, response ? "it answered another request" : response.error().why()));
    }
    return std::move(response->body);
}

void WorkerProcess::give_up() {
    if (child_) {
        child_->kill();
    }
    socket_.reset();
}

Error WorkerProcess::late(const ExchangeSubject& subject) {
    give_up();
    const std::string what =
        fmt::format("{} did not answer within its deadline while {}", subject.token, subject.doing);
    return child_
               ? Error(ErrorCode::token_deadline, what, "its worker was killed")
               : Error(ErrorCode::token_deadline, what, fmt::format("the connection to {}.service was closed", unit_));
}

Error WorkerProcess::ended(Deadline deadline, const ExchangeSubject& subject) {
    const std::string what = fmt::format("the worker of {} ended while {}", subject.token, subject.doing);
    if (!child_) {
        // How it ended is known to systemd only. It does so by itself when its deadline is over, which is never before
        // ours.
        return steady_clock::now() >= deadline
                   ? late(subject)
                   : Error(ErrorCode::token_worker, what, fmt::format("{}.service closed the connection", unit_),
                           fmt::format("see systemctl status {}.service", unit_));
    }
    const auto status = child_->wait(std::min(deadline + grace, steady_clock::now() + farewell));
    const std::string how = status ? describe_wait_status(*status) : "closed its connection";
    if (!status) {
        child_->kill();
    }
    const bool at_deadline = status && ((WIFEXITED(*status) && WEXITSTATUS(*status) == worker_exit_deadline) ||
                                        (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGALRM));
    if (at_deadline) {
        return late(subject);
    }
    return Error(ErrorCode::token_worker, what, "it " + how);
}

Error WorkerProcess::confused(const ExchangeSubject& subject, const std::string& why) {
    give_up();
    return Error(ErrorCode::token_protocol,
                 fmt::format("the worker of {} made no sense while {}", subject.token, subject.doing), why);
}

}  // namespace hwenroll::keystore
