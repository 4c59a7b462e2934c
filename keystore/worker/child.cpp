#include "keystore/worker/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace hwenroll::keystore {
namespace {

using std::chrono::steady_clock;

/// waitpid that a signal does not interrupt; 0 when WNOHANG finds nothing.
pid_t wait_for(pid_t pid, int& status, int options) {
    pid_t got = 0;
    do {
        got = waitpid(pid, &status, options);
    } while (got < 0 && errno == EINTR);
    return got;
}

}  // namespace

int poll_timeout(Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 24LL * 60 * 60 * 1000));
}

// glibc 2.36 declares pidfd_open without C linkage, so the call is made by number.
Child::Child(pid_t pid) : pid_(pid), exit_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

Child::~Child() {
    if (!status_) {
        kill();
    }
}

std::optional<int> Child::wait(Deadline deadline) {
    // Without a pidfd the end of the child is looked for every 10 ms.
    constexpr int step_ms = 10;
    while (!status_) {
        int status = 0;
        const pid_t got = wait_for(pid_, status, WNOHANG);
        if (got != 0) {
            status_ = got > 0 ? status : 0;
            break;
        }
        const int left = poll_timeout(deadline);
        if (left == 0) {
            return std::nullopt;
        }
        pollfd ended{exit_.get(), POLLIN, 0};
        poll(&ended, 1, exit_.valid() ? left : std::min(left, step_ms));
    }
    return status_;
}

int Child::kill(bool group) {
    if (!status_) {
        ::kill(group ? -pid_ : pid_, SIGKILL);
        int status = 0;
        wait_for(pid_, status, 0);
        status_ = status;
    }
    return *status_;
}

std::string describe_wait_status(int status) {
    if (WIFSIGNALED(status)) {
        const char* name = sigabbrev_np(WTERMSIG(status));
        return name != nullptr ? fmt::format("ended by SIG{}", name)
                               : fmt::format("ended by signal {}", WTERMSIG(status));
    }
    return fmt::format("exited with status {}", WEXITSTATUS(status));
}

}  // namespace hwenroll::keystore
