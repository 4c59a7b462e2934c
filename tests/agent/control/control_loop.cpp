#include "tests/agent/control/control_loop.h"

#include <algorithm>
#include <poll.h>
#include <vector>

namespace hwenroll::test {

Status ControlLoop::watch(int fd, bool readable, bool writable, control::Watcher& watcher) {
    if (failing_ > 0) {
        --failing_;
        return fail(ErrorCode::internal, "cannot watch");
    }
    watches_[fd] = {readable, writable, &watcher};
    return {};
}

void ControlLoop::unwatch(int fd) {
    watches_.erase(fd);
    deadlines_.erase(fd);
}

void ControlLoop::set_deadline(int fd, std::optional<std::chrono::milliseconds> delay, control::Watcher& watcher) {
    deadlines_.erase(fd);
    if (delay) {
        deadlines_[fd] = {passed_ + *delay, &watcher};
    }
}

void ControlLoop::pass(std::chrono::milliseconds time) {
    passed_ += time;
    const auto is_over = [&](const auto& one) { return one.second.at <= passed_; };
    for (auto over = std::ranges::find_if(deadlines_, is_over); over != deadlines_.end();
         over = std::ranges::find_if(deadlines_, is_over)) {
        const auto [fd, deadline] = *over;
        deadlines_.erase(over);
        deadline.watcher->on_deadline(fd);
    }
}

bool ControlLoop::turn(std::chrono::milliseconds wait) {
    ++turns_;
    std::vector<pollfd> entries;
    for (const auto& [fd, watch] : watches_) {
        entries.push_back({fd, static_cast<short>((watch.readable ? POLLIN : 0) | (watch.writable ? POLLOUT : 0)), 0});
    }
    if (::poll(entries.data(), entries.size(), static_cast<int>(wait.count())) <= 0) {
        return false;
    }
    for (const pollfd& entry : entries) {
        const auto watch = watches_.find(entry.fd);
        const auto has = [&](int events) {
            return (static_cast<unsigned>(entry.revents) & static_cast<unsigned>(events)) != 0;
        };
        if (entry.revents != 0 && watch != watches_.end()) {
            watch->second.watcher->on_ready(entry.fd, {has(POLLIN), has(POLLOUT), has(POLLHUP | POLLERR)});
        }
    }
    return true;
}

bool ControlLoop::run(const std::function<bool()>& done, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        turn(std::chrono::milliseconds(10));
    }
    return true;
}

void ControlLoop::settle() {
    while (turn(std::chrono::milliseconds(0))) {
    }
}

}  // namespace hwenroll::test
