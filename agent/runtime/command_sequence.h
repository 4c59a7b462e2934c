// The programs of one `on_change`, one after the other: in the agent, and in hwenroll-hook.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/command.h"

namespace hwenroll::runtime {

/// How long all programs of an `on_change` together may take (O2).
inline constexpr std::chrono::milliseconds hook_time_out{120'000};

/// One program and how it went.
struct CommandResult {
    std::vector<std::string> arguments;
    CommandOutcome outcome;
};

/// How all of them went.
struct SequenceOutcome {
    std::vector<CommandResult> results;  ///< in order, without those for which no time was left
    std::size_t skipped = 0;             ///< for which no time was left

    [[nodiscard]] bool succeeded() const;
    [[nodiscard]] bool timed_out() const;

    /// One line: what failed, or that nothing did. Without the programs' output and arguments.
    [[nodiscard]] std::string text() const;

    /// What the programs printed, a line that names each before its output; empty if none printed. May hold secrets of
    /// theirs: for the journal only (O3).
    [[nodiscard]] std::string output() const;
};

/// Runs programs in the order of the list, each after the end of the one before, whatever that one's outcome, so that
/// each consumer has its chance (O5). `time_out` is for all together. On the loop's thread.
class CommandSequence {
 public:
    /// `done` is called once, on the loop, never from within start(), and may destroy the sequence. An empty list
    /// succeeds. `plan` holds what all have in common: its arguments are not used.
    static std::unique_ptr<CommandSequence> start(EventLoop& loop, std::vector<std::vector<std::string>> commands,
                                                  CommandPlan plan, std::function<void(SequenceOutcome)> done);

    CommandSequence(const CommandSequence&) = delete;
    CommandSequence& operator=(const CommandSequence&) = delete;
    /// Kills the one that runs; `done` is not called then.
    ~CommandSequence() = default;

 private:
    CommandSequence(EventLoop& loop, std::vector<std::vector<std::string>> commands, CommandPlan plan,
                    std::function<void(SequenceOutcome)> done);
    void run_next();

    EventLoop& loop_;
    std::vector<std::vector<std::string>> commands_;
    CommandPlan plan_;
    std::function<void(SequenceOutcome)> done_;
    std::chrono::steady_clock::time_point deadline_;
    SequenceOutcome outcome_;
    std::unique_ptr<Command> running_;
    Watch next_;
};

}  // namespace hwenroll::runtime
