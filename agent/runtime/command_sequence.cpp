#include "agent/runtime/command_sequence.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::runtime {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool SequenceOutcome::succeeded() const {
    return skipped == 0 &&
           std::ranges::all_of(results, [](const CommandResult& result) { return result.outcome.succeeded(); });
}

bool SequenceOutcome::timed_out() const {
    return skipped != 0 ||
           std::ranges::any_of(results, [](const CommandResult& result) { return result.outcome.timed_out; });
}

std::string SequenceOutcome::text() const {
    std::string text;
    const auto add = [&](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
    for (const CommandResult& result : results) {
        if (!result.outcome.succeeded()) {
            add(fmt::format("'{}' {}", result.arguments.empty() ? "" : printable(result.arguments.front(), 128),
                            result.outcome.text()));
        }
    }
    if (skipped > 0) {
        add(fmt::format("{} more not started: no time was left", skipped));
    }
    if (!text.empty()) {
        return text;
    }
    return results.size() == 1 ? "the command exited with status 0"
                               : fmt::format("{} commands exited with status 0", results.size());
}

std::string SequenceOutcome::output() const {
    std::string text;
    for (const CommandResult& result : results) {
        if (!result.outcome.output.empty()) {
            text += fmt::format("{} printed{}:\n{}", printable(result.arguments.front(), 128),
                                result.outcome.output_cut ? " more than is shown" : "", result.outcome.output);
        }
    }
    return text;
}

CommandSequence::CommandSequence(EventLoop& loop, std::vector<std::vector<std::string>> commands, CommandPlan plan,
                                 std::function<void(SequenceOutcome)> done)
    : loop_(loop),
      commands_(std::move(commands)),
      plan_(std::move(plan)),
      done_(std::move(done)),
      deadline_(steady_clock::now() + plan_.time_out) {}

std::unique_ptr<CommandSequence> CommandSequence::start(EventLoop& loop, std::vector<std::vector<std::string>> commands,
                                                        CommandPlan plan, std::function<void(SequenceOutcome)> done) {
    std::unique_ptr<CommandSequence> sequence(
        new CommandSequence(loop, std::move(commands), std::move(plan), std::move(done)));
    CommandSequence* const self = sequence.get();
    sequence->next_ = loop.after(milliseconds(0), [self] { self->run_next(); });
    return sequence;
}

void CommandSequence::run_next() {
    const std::size_t index = outcome_.results.size();
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
    if (index < commands_.size() && left.count() > 0) {
        CommandPlan plan = plan_;
        plan.arguments = commands_[index];
        plan.time_out = left;
        running_ = Command::start(loop_, std::move(plan), [this, index](CommandOutcome outcome) {
            outcome_.results.push_back({commands_[index], std::move(outcome)});
            next_ = loop_.after(milliseconds(0), [this] { run_next(); });
        });
        return;
    }
    outcome_.skipped = commands_.size() - index;
    running_.reset();
    const auto done = std::exchange(done_, nullptr);
    done(std::move(outcome_));
}

}  // namespace hwenroll::runtime
