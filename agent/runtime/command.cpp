#include "agent/runtime/command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::runtime {
namespace {

using std::chrono::milliseconds;

constexpr const char* search_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr std::size_t chunk = std::size_t{16} << 10U;

/// A program that prints without end gets one pipe's content read in each of these, so that the loop has time left.
constexpr milliseconds discard_interval{10};

/// Where the kernel has no pidfd_open(2) (before Linux 5.3) an end is looked for this often.
constexpr milliseconds look_interval{50};

/// A process in uninterruptible sleep is given up this long after SIGKILL.
constexpr milliseconds last_wait{1'000};

/// How long the destructor waits for a killed process.
constexpr int reap_patience_ms = 500;

std::string error_text(int number) {
    return std::generic_category().message(number);
}

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

    /// Outputs first: `output` may itself be 0 where the caller was started without standard descriptors.
    int describe(int output) {
        int error = posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
        error |= posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
        error |= posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        error |= posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
        error |= posix_spawn_file_actions_addchdir_np(&actions_, "/");
        sigset_t signals;
        sigfillset(&signals);
        error |= posix_spawnattr_setsigdefault(&attributes_, &signals);
        sigemptyset(&signals);
        error |= posix_spawnattr_setsigmask(&attributes_, &signals);
        error |=
            posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
        return error;
    }

    int spawn(pid_t& pid, char* const* arguments, char* const* environment) {
        return posix_spawn(&pid, arguments[0], &actions_, &attributes_, arguments, environment);
    }

 private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

/// `raw` without what steers a terminal, but for line ends and tabs; at most max_command_output octets, an ellipsis and
/// a line end.
std::string printable_lines(std::string_view raw) {
    std::string out;
    while (!raw.empty() && out.size() < max_command_output) {
        const auto size = std::min(raw.find_first_of("\t\n"), raw.size());
        std::string_view piece = raw.substr(0, size);
        const char end = size < raw.size() ? raw[size] : '\n';
        if (end == '\n' && piece.ends_with('\r')) {
            piece.remove_suffix(1);
        }
        out += printable(piece, max_command_output - out.size());
        out += end;
        raw.remove_prefix(std::min(size + 1, raw.size()));
    }
    return out;
}

}  // namespace

std::vector<std::string> environment_of(const CommandSubject& subject) {
    std::vector<std::string> variables{search_path};
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            variables.push_back(fmt::format("{}={}", name, value));
        }
    };
    add("HWENROLL_IDENTITY", subject.identity);
    add("HWENROLL_GENERATION", subject.generation);
    add("HWENROLL_PATH", subject.path);
    add("HWENROLL_ALERT", subject.alert);
    add("HWENROLL_REASON", subject.reason);
    return variables;
}

std::string CommandOutcome::text() const {
    if (!started) {
        return fmt::format("could not be started ({})", fault);
    }
    if (timed_out) {
        return "did not end in time";
    }
    if (signal != 0) {
        const char* const name = sigabbrev_np(signal);
        return name != nullptr ? fmt::format("was ended by SIG{}", name)
                               : fmt::format("was ended by signal {}", signal);
    }
    return fmt::format("exited with status {}", exit_status);
}

Command::Command(EventLoop& loop, CommandPlan plan, std::function<void(CommandOutcome)> done)
    : loop_(loop), plan_(std::move(plan)), done_(std::move(done)) {}

std::unique_ptr<Command> Command::start(EventLoop& loop, CommandPlan plan, std::function<void(CommandOutcome)> done) {
    std::unique_ptr<Command> command(new Command(loop, std::move(plan), std::move(done)));
    command->spawn();
    return command;
}

Command::~Command() {
    if (pid_ <= 0) {
        return;
    }
    signal_group(SIGKILL);
    if (exit_.valid()) {
        pollfd ended{exit_.get(), POLLIN, 0};
        static_cast<void>(poll(&ended, 1, reap_patience_ms));
    }
    waitpid(pid_, nullptr, exit_.valid() ? WNOHANG : 0);
}

void Command::spawn() {
    std::array<int, 2> ends{-1, -1};
    if (plan_.arguments.empty() || !plan_.arguments.front().starts_with('/')) {
        return fail_to_start("its path is not absolute");
    }
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail_to_start(error_text(errno));
    }
    output_ = FileDescriptor(ends[0]);
    const FileDescriptor theirs(ends[1]);
    SpawnPlan spawning;
    int error = spawning.describe(theirs.get());
    if (error == 0) {
        pid_t pid = -1;
        error = spawning.spawn(pid, pointers_to(plan_.arguments).data(), pointers_to(plan_.environment).data());
        pid_ = error == 0 ? pid : -1;
    }
    if (error != 0) {
        return fail_to_start(error_text(error));
    }
    outcome_.started = true;
    fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    // glibc 2.36 declares pidfd_open without C linkage, so the call is made by number.
    exit_ = FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    end_watch_ = exit_.valid() ? loop_.watch_fd(exit_.get(), EPOLLIN, [this](std::uint32_t) { look_for_end(); })
                               : loop_.after(look_interval, [this] { look_for_end(); });
    time_watch_ = loop_.after(plan_.time_out, [this] { terminate(); });
    watch_output();
}

void Command::fail_to_start(std::string why) {
    outcome_.fault = std::move(why);
    time_watch_ = loop_.after(milliseconds(0), [this] { conclude(); });
}

void Command::watch_output() {
    output_watch_ = loop_.watch_fd(output_.get(), EPOLLIN, [this](std::uint32_t) {
        if (!read_output(chunk)) {
            output_watch_.reset();
        } else if (outcome_.output_cut) {
            output_watch_ = loop_.after(discard_interval, [this] { watch_output(); });
        }
    });
}

bool Command::read_output(std::size_t limit) {
    std::array<char, chunk> buffer{};
    for (std::size_t sum = 0; sum < limit;) {
        const ssize_t size = read(output_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return size < 0 && errno == EAGAIN;
        }
        const auto got = static_cast<std::size_t>(size);
        const std::size_t kept = std::min(got, max_command_output - raw_.size());
        raw_.append(buffer.data(), kept);
        outcome_.output_cut = outcome_.output_cut || kept < got;
        sum += got;
    }
    return true;
}

void Command::look_for_end() {
    siginfo_t info{};
    // The zombie stays until the group is killed: it keeps the group's number from being used again.
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
        if (!exit_.valid()) {
            end_watch_ = loop_.after(look_interval, [this] { look_for_end(); });
        }
        return;
    }
    signal_group(SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
        outcome_.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        outcome_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    pid_ = -1;
    // A process that left the group may still hold the pipe: only what is there counts.
    read_output(max_command_output);
    conclude();
}

void Command::terminate() {
    outcome_.timed_out = true;
    signal_group(SIGTERM);
    signal_group(SIGCONT);
    time_watch_ = loop_.after(plan_.grace, [this] {
        signal_group(SIGKILL);
        time_watch_ = loop_.after(last_wait, [this] { conclude(); });
    });
}

void Command::conclude() {
    end_watch_.reset();
    output_watch_.reset();
    time_watch_.reset();
    outcome_.output = printable_lines(raw_);
    const auto done = std::exchange(done_, nullptr);
    done(std::move(outcome_));
}

void Command::signal_group(int number) const {
    if (pid_ > 0) {
        ::kill(-pid_, number);
    }
}

}  // namespace hwenroll::runtime
