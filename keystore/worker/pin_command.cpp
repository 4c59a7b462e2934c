#include "keystore/worker/pin_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "keystore/worker/child.h"

namespace hwenroll::keystore {
namespace {

using std::chrono::steady_clock;

tl::unexpected<Error> refuse_command(const std::string& path, std::string why) {
    return fail(ErrorCode::token_pin_source, fmt::format("cannot read the PIN from the command '{}'", path),
                std::move(why));
}

std::string error_text(int number) {
    return std::generic_category().message(number);
}

/// What the child needs, made before fork(): after it only async-signal-safe calls are allowed (signal-safety(7)).
struct Start {
    const char* path;
    int null_device;
    int output;
    pid_t parent;
};

[[noreturn]] void become_command(const Start& start) {
    // A group to be ended as one, and no terminal: an agent that leads a session has one, which may be root's (ADR
    // 0024).
    setsid();
    // The worker may be ended at its own deadline while the command runs.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start.parent) {
        _exit(127);
    }
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) {
        sigaction(number, &standard, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(start.null_device, STDIN_FILENO);
    dup2(start.output, STDOUT_FILENO);
    dup2(start.null_device, STDERR_FILENO);
    close_range(3, ~0U, 0);
    std::array<char, 256> name{};
    for (std::size_t i = 0; i + 1 < name.size() && start.path[i] != '\0'; ++i) {
        name[i] = start.path[i];
    }
    std::array<char, 32> search{"PATH=/usr/sbin:/usr/bin:/bin"};
    std::array<char*, 2> arguments{name.data(), nullptr};
    std::array<char*, 2> environment{search.data(), nullptr};
    execve(start.path, arguments.data(), environment.data());
    _exit(127);
}

/// The first line of a stream, gathered in place; the rest is read and dropped. Wiped at the end of its scope.
class FirstLine {
 public:
    FirstLine() = default;
    FirstLine(const FirstLine&) = delete;
    FirstLine& operator=(const FirstLine&) = delete;
    ~FirstLine() {
        wipe(line_);
        wipe(chunk_);
    }

    /// Reads once; false at the end of the stream.
    bool read_from(int descriptor) {
        const ssize_t got = read(descriptor, chunk_.data(), chunk_.size());
        for (ssize_t i = 0; i < got && !complete_; ++i) {
            const std::uint8_t octet = chunk_[static_cast<std::size_t>(i)];
            complete_ = octet == '\n';
            if (!complete_ && size_ < line_.size()) {
                line_[size_++] = octet;
            }
        }
        return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
    }

    [[nodiscard]] ByteView text() const {
        const std::size_t size = size_ > 0 && line_[size_ - 1] == '\r' ? size_ - 1 : size_;
        return {line_.data(), size};
    }

 private:
    std::array<std::uint8_t, max_pin_size + 2> line_{};
    std::array<std::uint8_t, 512> chunk_{};
    std::size_t size_ = 0;
    bool complete_ = false;
};

/// Reads until the stream or the command ends; false at the deadline.
bool gather(FirstLine& line, int output, const Child& child, Deadline deadline) {
    bool ended = false;
    for (;;) {
        std::array<pollfd, 2> wait{{{output, POLLIN, 0}, {ended ? -1 : child.exit_descriptor(), POLLIN, 0}}};
        // A process that the command left behind may hold the stream open: after its end only what is there counts.
        const int ready = poll(wait.data(), wait.size(), ended ? 0 : poll_timeout(deadline));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return ended;
        }
        if (wait[0].revents != 0 && !line.read_from(output)) {
            return true;
        }
        ended = ended || wait[1].revents != 0;
    }
}

Result<Secret> check_line(const std::string& path, const FirstLine& line) {
    const ByteView text = line.text();
    if (text.empty()) {
        return refuse_command(path, "it printed nothing");
    }
    if (text.size() > max_pin_size) {
        return refuse_command(path, fmt::format("its first line has more than {} octets", max_pin_size));
    }
    if (std::find(text.begin(), text.end(), 0) != text.end()) {
        return refuse_command(path, "its first line holds a NUL");
    }
    return Secret(text);
}

}  // namespace

Result<Secret> run_pin_command(const std::string& path, std::chrono::milliseconds deadline) {
    const Deadline until = steady_clock::now() + deadline;
    if (access(path.c_str(), X_OK) != 0) {
        return refuse_command(path, error_text(errno));
    }
    std::array<int, 2> ends{-1, -1};
    const FileDescriptor null_device(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null_device.valid() || pipe2(ends.data(), O_CLOEXEC) != 0) {
        return refuse_command(path, error_text(errno));
    }
    const FileDescriptor output(ends[0]);
    FileDescriptor input(ends[1]);
    const Start start{path.c_str(), null_device.get(), input.get(), getpid()};
    const pid_t pid = fork();
    if (pid < 0) {
        return refuse_command(path, error_text(errno));
    }
    if (pid == 0) {
        become_command(start);
    }
    Child child(pid);
    input.reset();
    FirstLine line;
    const bool gathered = gather(line, output.get(), child, until);
    const auto status = gathered ? child.wait(until) : std::nullopt;
    if (!status) {
        child.kill(true);
        return refuse_command(path, fmt::format("it did not finish within {} ms", deadline.count()));
    }
    if (*status != 0) {
        return refuse_command(path, fmt::format("it {}", describe_wait_status(*status)));
    }
    return check_line(path, line);
}

}  // namespace hwenroll::keystore
