#include "tests/support/poll_reactor.h"

#include <algorithm>
#include <poll.h>
#include <vector>

namespace hwenroll::test {
namespace {

bool any_of(const pollfd& entry, int events) {
    return (static_cast<unsigned>(entry.revents) & static_cast<unsigned>(events)) != 0;
}

}  // namespace

void PollReactor::watch(int fd, bool readable, bool writable) {
    if (readable || writable) {
        watches_[fd] = {readable, writable};
    } else {
        watches_.erase(fd);
    }
}

void PollReactor::set_timer(std::optional<std::chrono::milliseconds> delay) {
    timer_ = delay ? std::optional(std::chrono::steady_clock::now() + *delay) : std::nullopt;
}

bool PollReactor::run(const Sink& sink, const std::function<bool()>& done, std::chrono::milliseconds deadline) {
    const SteadyTime end = std::chrono::steady_clock::now() + deadline;
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        turn(sink, std::min(end, std::chrono::steady_clock::now() + std::chrono::milliseconds(10)));
    }
    return true;
}

void PollReactor::turn(const Sink& sink, SteadyTime end) {
    std::vector<pollfd> entries;
    for (const auto& [fd, watch] : watches_) {
        const int events = (watch.readable ? POLLIN : 0) | (watch.writable ? POLLOUT : 0);
        entries.push_back({fd, static_cast<short>(events), 0});
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min(end, timer_.value_or(end)) -
                                                                   std::chrono::steady_clock::now());
    poll(entries.data(), entries.size(), static_cast<int>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0)));
    if (timer_ && std::chrono::steady_clock::now() >= *timer_) {
        timer_.reset();
        sink.on_timer();
    }
    for (const pollfd& entry : entries) {
        const auto watch = watches_.find(entry.fd);
        if (entry.revents == 0 || watch == watches_.end()) {
            continue;
        }
        const bool broken = any_of(entry, POLLERR | POLLHUP);
        const bool readable = watch->second.readable && (broken || any_of(entry, POLLIN));
        const bool writable = watch->second.writable && (broken || any_of(entry, POLLOUT));
        sink.on_socket(entry.fd, readable, writable);
    }
}

}  // namespace hwenroll::test
