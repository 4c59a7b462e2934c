// What the control server needs of the loop that it runs on.
#pragma once

#include <chrono>
#include <optional>

#include "base/result.h"

namespace hwenroll::control {

/// What a descriptor is ready for.
struct Readiness {
    bool readable = false;
    bool writable = false;
    bool hung_up = false;  ///< POLLHUP or POLLERR: both directions are dead
};

/// Whoever watches descriptors.
class Watcher {
 public:
    Watcher() = default;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    virtual ~Watcher() = default;

    /// May watch and unwatch any descriptor, `fd` included.
    virtual void on_ready(int fd, Readiness ready) = 0;

    /// The time that was set for `fd` has passed. May do what on_ready() may.
    virtual void on_deadline(int fd) = 0;
};

/// Level-triggered readiness of descriptors, reported on the loop's thread.
class Reactor {
 public:
    Reactor() = default;
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    virtual ~Reactor() = default;

    /// Reports `fd` from now on; replaces what was asked for it before. hung_up is reported in any case, also when
    /// neither direction is asked for. `watcher` must outlive the watch. Error code: internal.
    virtual Status watch(int fd, bool readable, bool writable, Watcher& watcher) = 0;

    /// Ends the watch, before `fd` is closed. Nothing is reported about it any more, not even what was ready already,
    /// and no deadline.
    virtual void unwatch(int fd) = 0;

    /// Reports the deadline of `fd` once, `delay` (monotonic time) from now; replaces the one that was set for it
    /// before, nothing takes that away. `watcher` must outlive it.
    virtual void set_deadline(int fd, std::optional<std::chrono::milliseconds> delay, Watcher& watcher) = 0;
};

}  // namespace hwenroll::control
