#include "agent/runtime/alert_command.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::runtime {

AlertCommand::AlertCommand(EventLoop& loop, std::vector<std::string> command, std::function<void(const Error&)> failed,
                           std::chrono::milliseconds time_out)
    : loop_(loop), command_(std::move(command)), failed_(std::move(failed)), time_out_(time_out) {}

void AlertCommand::raise(Alert alert) {
    if (command_.empty() || std::ranges::find(waiting_, alert) != waiting_.end()) {
        return;
    }
    waiting_.push_back(std::move(alert));
    if (waiting_.size() > max_waiting_alerts) {
        failed_(Error(ErrorCode::alert_failed, "an alert was not passed on: too many wait for 'on_alert'",
                      waiting_.front().text));
        waiting_.pop_front();
    }
    if (running_ == nullptr && !next_) {
        next_ = loop_.after(std::chrono::milliseconds(0), [this] { run_next(); });
    }
}

void AlertCommand::when_idle(std::function<void()> done) {
    idle_ = std::move(done);
    if (running_ == nullptr && !next_) {
        next_ = loop_.after(std::chrono::milliseconds(0), [this] { run_next(); });
    }
}

void AlertCommand::run_next() {
    next_.reset();
    running_.reset();
    if (waiting_.empty()) {
        if (const auto idle = std::exchange(idle_, nullptr)) {
            idle();
        }
        return;
    }
    const Alert alert = std::move(waiting_.front());
    waiting_.pop_front();
    CommandPlan plan;
    plan.arguments = command_;
    plan.environment =
        environment_of({.identity = alert.identity, .alert = printable(alert.text, 4096), .reason = "alert"});
    plan.time_out = time_out_;
    running_ =
        Command::start(loop_, std::move(plan), [this, alert](const CommandOutcome& outcome) { ended(alert, outcome); });
}

void AlertCommand::ended(const Alert& alert, const CommandOutcome& outcome) {
    next_ = loop_.after(std::chrono::milliseconds(0), [this] { run_next(); });
    if (!outcome.succeeded()) {
        failed_(Error(ErrorCode::alert_failed, "the program of 'on_alert' failed",
                      fmt::format("'{}' {}", printable(command_.front(), 128), outcome.text()))
                    .about(alert.identity));
    }
}

}  // namespace hwenroll::runtime
