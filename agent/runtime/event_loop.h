// The one loop of the agent: sockets, timers, signals and results from other threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "agent/runtime/event_sources.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "transport/http/exchange.h"

namespace hwenroll::runtime {

/// What a loop watches for its owner, until this object ends: no call comes afterwards. It may end within its own
/// callback, and after the loop. Empty when the loop could not watch. Used on the loop's thread only.
class Watch {
 public:
    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    Watch(Watch&& other) noexcept = default;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { reset(); }

    explicit operator bool() const { return source_ != nullptr; }

    void reset();

 private:
    friend class EventLoop;
    explicit Watch(std::shared_ptr<EventSource> source) : source_(std::move(source)) {}

    std::shared_ptr<EventSource> source_;
};

/// Runs everything on the thread that calls run(). Only post() may be called from other threads.
class EventLoop final : public http::Reactor {
 public:
    /// Blocks SIGTERM and SIGINT and takes them on the loop: `on_stop` is called for the first one.
    /// Error code: internal.
    static Result<std::unique_ptr<EventLoop>> make(std::function<void()> on_stop);

    /// The same upon `sources`.
    static Result<std::unique_ptr<EventLoop>> make(std::function<void()> on_stop,
                                                   std::unique_ptr<EventSources> sources);
    ~EventLoop() override;

    /// The client whose sockets and timer this loop serves; at most one, which must outlive the loop's run.
    void serve(http::Client& client) {
        on_socket_ = [&client](int fd, bool readable, bool writable) { client.on_socket(fd, readable, writable); };
        on_timer_ = [&client] { client.on_timer(); };
    }

    /// Calls `task` on the loop's thread, soon. Thread-safe.
    void post(std::function<void()> task);

    /// Calls `task` every `interval` until the loop ends.
    void every(std::chrono::milliseconds interval, std::function<void()> task);

    /// Calls `ready` with what of `events` (EPOLLIN, EPOLLOUT) is there, and EPOLLHUP and EPOLLERR whether asked for or
    /// not, level-triggered. `fd` stays the caller's and must be open as long as the watch. The watch is empty if epoll
    /// refuses the descriptor, as it does for regular files.
    [[nodiscard]] Watch watch_fd(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);

    /// Calls `task` once, `delay` (monotonic time) from now.
    [[nodiscard]] Watch after(std::chrono::milliseconds delay, std::function<void()> task);

    /// Runs until stop(); may be called again afterwards. Error code: internal.
    Status run();

    /// Ends run() after the current callback, or the next run() at once.
    void stop();

    void watch(int fd, bool readable, bool writable) override;
    void set_timer(std::optional<std::chrono::milliseconds> delay) override;

 private:
    struct Repeating;
    EventLoop(std::function<void()> on_stop, std::unique_ptr<EventSources> sources);
    Status watch_wake_ups();
    Status watch_signals();
    void repeat(Repeating& repeating);
    void run_posted();
    void put_back(std::vector<std::function<void()>> tasks, std::vector<std::function<void()>>::iterator begin);
    void wake();

    std::function<void()> on_stop_;
    std::function<void(int, bool, bool)> on_socket_;
    std::function<void()> on_timer_;
    bool stopped_ = false;
    std::unique_ptr<EventSources> sources_;
    FileDescriptor wake_ups_;
    FileDescriptor signals_;
    Watch wake_watch_;
    Watch signal_watch_;
    Watch timer_;
    std::map<int, Watch> sockets_;
    std::vector<std::unique_ptr<Repeating>> repeating_;
    std::mutex mutex_;
    std::vector<std::function<void()>> posted_;
};

}  // namespace hwenroll::runtime
