// The one loop of the agent: sockets, timers, signals and results from other threads (sd-event).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "transport/http/exchange.h"

namespace hwenroll::runtime {

/// Runs everything on the thread that calls run(). Only post() may be called from other threads.
class EventLoop final : public http::Reactor {
 public:
    /// Blocks SIGTERM and SIGINT and takes them on the loop: `on_stop` is called for the first one.
    /// Error code: internal.
    static Result<std::unique_ptr<EventLoop>> make(std::function<void()> on_stop);
    ~EventLoop() override;

    /// The client whose sockets and timer this loop serves; at most one, which must outlive the loop's run.
    void serve(http::Client& client) { client_ = &client; }

    /// Calls `task` on the loop's thread, soon. Thread-safe.
    void post(std::function<void()> task);

    /// Calls `task` every `interval` until the loop ends.
    void every(std::chrono::milliseconds interval, std::function<void()> task);

    /// Runs until stop(). Error code: internal.
    Status run();

    /// Ends run() after the current callback.
    void stop();

    void watch(int fd, bool readable, bool writable) override;
    void set_timer(std::optional<std::chrono::milliseconds> delay) override;

 private:
    class Impl;
    explicit EventLoop(std::function<void()> on_stop);
    void run_posted();

    std::function<void()> on_stop_;
    http::Client* client_ = nullptr;
    std::unique_ptr<Impl> impl_;
    std::mutex mutex_;
    std::vector<std::function<void()>> posted_;
};

}  // namespace hwenroll::runtime
