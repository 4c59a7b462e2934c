#include "keystore/worker/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

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

/// Children that were killed and had not ended in time, of all threads.
class StuckChildren {
 public:
    void add(pid_t pid) {
        const std::lock_guard lock(mutex_);
        pids_.push_back(pid);
    }
    void reap() {
        const std::lock_guard lock(mutex_);
        std::erase_if(pids_, [](pid_t pid) {
            int status = 0;
            return wait_for(pid, status, WNOHANG) != 0;
        });
    }

 private:
    std::mutex mutex_;
    std::vector<pid_t> pids_;
};

StuckChildren& stuck_children() {
    static StuckChildren children;
    return children;
}

}  // namespace

int poll_timeout(Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 24LL * 60 * 60 * 1000));
}

// glibc 2.36 declares pidfd_open without C linkage, so the call is made by number.
Child::Child(pid_t pid) : pid_(pid), exit_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
    stuck_children().reap();
}

Child::~Child() {
    kill();
}

std::optional<int> Child::wait(Deadline deadline) {
    // Without a pidfd, or while a tracer keeps an ended child from us, its end is looked for every 10 ms.
    constexpr int step_ms = 10;
    bool stepping = !exit_.valid();
    while (!status_ && !given_up_) {
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
        if (stepping) {
            poll(nullptr, 0, std::min(left, step_ms));
        } else {
            pollfd ended{exit_.get(), POLLIN, 0};
            stepping = poll(&ended, 1, left) > 0;
        }
    }
    return status_;
}

std::optional<int> Child::kill(bool group) {
    if (!status_ && !given_up_) {
        if (!group || ::kill(-pid_, SIGKILL) != 0) {
            ::kill(pid_, SIGKILL);  // also where it has not made its group yet
        }
        if (!wait(steady_clock::now() + kill_patience)) {
            given_up_ = true;
            stuck_children().add(pid_);
        }
    }
    return status_;
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
