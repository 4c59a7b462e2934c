// What EventLoop stands on: descriptors and delays, by sd-event or, where libsystemd is not wanted, by epoll alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"

namespace hwenroll::runtime {

/// One descriptor or delay that is watched. May outlive what made it.
class EventSource {
 public:
    EventSource() = default;
    EventSource(const EventSource&) = delete;
    EventSource& operator=(const EventSource&) = delete;
    virtual ~EventSource() = default;

    /// Ends the watching: no call comes afterwards. May be called by the source's own callback, which stays alive while
    /// it runs, and more than once.
    virtual void end() = 0;
};

/// All functions on one thread. A source is watched as long as its owner keeps it.
class EventSources {
 public:
    EventSources() = default;
    EventSources(const EventSources&) = delete;
    EventSources& operator=(const EventSources&) = delete;
    virtual ~EventSources() = default;

    /// `ready` is told what of `events` (EPOLLIN, EPOLLOUT) is there, and EPOLLHUP and EPOLLERR, level-triggered. `fd`
    /// is open as long as it is watched. Nothing if it cannot be watched, as a regular file cannot.
    virtual std::shared_ptr<EventSource> add_descriptor(int fd, std::uint32_t events,
                                                        std::function<void(std::uint32_t)> ready) = 0;

    /// `task` is called once, `delay` of monotonic time from now. Nothing if it cannot be.
    virtual std::shared_ptr<EventSource> add_delay(std::chrono::microseconds delay, std::function<void()> task) = 0;

    /// Waits as long as it takes and makes one call; descriptors and delays have their turns. Returns 0 or an errno.
    virtual int dispatch_one() = 0;
};

/// Error code: internal.
Result<std::unique_ptr<EventSources>> epoll_event_sources();

/// Not in builds without systemd. Error code: internal.
Result<std::unique_ptr<EventSources>> systemd_event_sources();

}  // namespace hwenroll::runtime
