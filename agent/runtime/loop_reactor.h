// The control server's view of the loop.
#pragma once

#include <map>

#include "agent/control/reactor.h"
#include "agent/runtime/event_loop.h"

namespace hwenroll::runtime {

/// Watches descriptors for the control server on an EventLoop, which outlives it.
class LoopReactor final : public control::Reactor {
 public:
    explicit LoopReactor(EventLoop& loop) : loop_(loop) {}

    Status watch(int fd, bool readable, bool writable, control::Watcher& watcher) override;
    void unwatch(int fd) override;
    void set_deadline(int fd, std::optional<std::chrono::milliseconds> delay, control::Watcher& watcher) override;

 private:
    EventLoop& loop_;
    std::map<int, Watch> watches_;
    std::map<int, Watch> deadlines_;
};

}  // namespace hwenroll::runtime
