// The event loop of tests that talk HTTP: poll(2) in the calling thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>

#include "transport/http/exchange.h"

namespace hwenroll::test {

/// One Client's loop. One thread.
class PollReactor : public http::Reactor {
 public:
    void watch(int fd, bool readable, bool writable) override;
    void set_timer(std::optional<std::chrono::milliseconds> delay) override;

    /// Serves `client` until `done()`, which is asked after each event and every 10 ms, as it may depend on another
    /// thread; false when `deadline` passes before.
    bool run(http::Client& client, const std::function<bool()>& done,
             std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
        return run({[&](int fd, bool readable, bool writable) { client.on_socket(fd, readable, writable); },
                    [&] { client.on_timer(); }},
                   done, deadline);
    }

    [[nodiscard]] std::size_t watched() const { return watches_.size(); }
    [[nodiscard]] bool timer_armed() const { return timer_.has_value(); }

 private:
    using SteadyTime = std::chrono::steady_clock::time_point;
    struct Watch {
        bool readable = false;
        bool writable = false;
    };
    struct Sink {
        std::function<void(int, bool, bool)> on_socket;
        std::function<void()> on_timer;
    };

    bool run(const Sink& sink, const std::function<bool()>& done, std::chrono::milliseconds deadline);
    void turn(const Sink& sink, SteadyTime end);

    std::map<int, Watch> watches_;
    std::optional<SteadyTime> timer_;
};

}  // namespace hwenroll::test
