// The loop that the control server runs on in tests: poll(2) in the calling thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "agent/control/reactor.h"

namespace hwenroll::test {

/// One thread.
class ControlLoop final : public control::Reactor {
 public:
    Status watch(int fd, bool readable, bool writable, control::Watcher& watcher) override;
    void unwatch(int fd) override;
    void set_deadline(int fd, std::optional<std::chrono::milliseconds> delay, control::Watcher& watcher) override;

    /// Time passes: reports the deadlines that are over then. No other time passes for them.
    void pass(std::chrono::milliseconds time);

    /// Reports what is ready, waiting for it at most `wait`. False when nothing was.
    bool turn(std::chrono::milliseconds wait);

    /// Turns until `done()`; false when `deadline` passes before.
    bool run(const std::function<bool()>& done, std::chrono::milliseconds deadline = std::chrono::seconds(10));

    /// Turns until nothing is ready.
    void settle();

    [[nodiscard]] std::size_t watched() const { return watches_.size(); }
    [[nodiscard]] std::size_t turns() const { return turns_; }

    /// The next calls of watch() fail, as many as this.
    void fail_watches(int count) { failing_ = count; }

 private:
    struct Watch {
        bool readable = false;
        bool writable = false;
        control::Watcher* watcher = nullptr;
    };
    struct Deadline {
        std::chrono::milliseconds at{0};
        control::Watcher* watcher = nullptr;
    };
    std::map<int, Watch> watches_;
    std::map<int, Deadline> deadlines_;
    std::chrono::milliseconds passed_{0};
    std::size_t turns_ = 0;
    int failing_ = 0;
};

}  // namespace hwenroll::test
