#include "agent/runtime/loop_reactor.h"

#include <sys/epoll.h>

namespace hwenroll::runtime {

Status LoopReactor::watch(int fd, bool readable, bool writable, control::Watcher& watcher) {
    const auto events = (readable ? std::uint32_t{EPOLLIN} : 0U) | (writable ? std::uint32_t{EPOLLOUT} : 0U);
    watches_.erase(fd);
    Watch watch = loop_.watch_fd(fd, events, [fd, &watcher](std::uint32_t ready) {
        watcher.on_ready(fd, {(ready & EPOLLIN) != 0, (ready & EPOLLOUT) != 0, (ready & (EPOLLHUP | EPOLLERR)) != 0});
    });
    if (!watch) {
        return fail(ErrorCode::internal, "the loop cannot watch a descriptor of the control socket");
    }
    watches_.emplace(fd, std::move(watch));
    return {};
}

void LoopReactor::unwatch(int fd) {
    watches_.erase(fd);
    deadlines_.erase(fd);
}

void LoopReactor::set_deadline(int fd, std::optional<std::chrono::milliseconds> delay, control::Watcher& watcher) {
    deadlines_.erase(fd);
    if (delay) {
        deadlines_.emplace(fd, loop_.after(*delay, [fd, &watcher] { watcher.on_deadline(fd); }));
    }
}

}  // namespace hwenroll::runtime
