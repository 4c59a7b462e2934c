// `on_alert`: tells people through a program of theirs.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/command.h"
#include "base/error.h"

namespace hwenroll::runtime {

/// One alert. `text` is the line that the journal has, printable and without secrets.
struct Alert {
    std::string identity;  ///< may be empty
    std::string text;
    friend bool operator==(const Alert&, const Alert&) = default;
};

/// Alerts that wait for the program; the oldest give way to newer ones beyond this.
inline constexpr std::size_t max_waiting_alerts = 32;

/// Runs the program for each alert, one at a time and in order, with HWENROLL_ALERT, HWENROLL_IDENTITY and
/// HWENROLL_REASON=alert in its environment. An alert that waits already is not put behind itself. On the loop's
/// thread.
class AlertCommand {
 public:
    /// `command` empty: alerts go nowhere. `failed` is told (alert_failed) what went wrong, to be logged and no more:
    /// an alert about an alert would never end.
    AlertCommand(EventLoop& loop, std::vector<std::string> command, std::function<void(const Error&)> failed,
                 std::chrono::milliseconds time_out = std::chrono::seconds(60));
    AlertCommand(const AlertCommand&) = delete;
    AlertCommand& operator=(const AlertCommand&) = delete;
    /// Kills a running program; what waits is dropped.
    ~AlertCommand() = default;

    void raise(Alert alert);

    /// Nothing runs and nothing waits.
    [[nodiscard]] bool idle() const { return running_ == nullptr && waiting_.empty(); }

    /// Calls `done` on the loop once nothing runs or waits any more; for the end of a run. One caller at a time.
    void when_idle(std::function<void()> done);

 private:
    void run_next();
    void ended(const Alert& alert, const CommandOutcome& outcome);

    EventLoop& loop_;
    std::vector<std::string> command_;
    std::function<void(const Error&)> failed_;
    std::chrono::milliseconds time_out_;
    std::deque<Alert> waiting_;
    std::unique_ptr<Command> running_;
    std::function<void()> idle_;
    Watch next_;
};

}  // namespace hwenroll::runtime
