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
    void unwatch(int fd) override { watches_.erase(fd); }

 private:
    EventLoop& loop_;
    std::map<int, Watch> watches_;
};

}  // namespace hwenroll::runtime
