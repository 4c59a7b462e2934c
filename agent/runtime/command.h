// One program that the agent starts for the operator: a hook, a check or an alert.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/event_loop.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace hwenroll::runtime {

/// What such a program is told about: all of its environment beside PATH. Never a secret.
struct CommandSubject {
    std::string identity = {};    ///< HWENROLL_IDENTITY
    std::string generation = {};  ///< HWENROLL_GENERATION, a number; empty: not set, as for the next two
    std::string path = {};        ///< HWENROLL_PATH: the directory of that generation
    std::string alert = {};       ///< HWENROLL_ALERT
    std::string reason = {};      ///< HWENROLL_REASON: `change`, `verify` or `alert`
    friend bool operator==(const CommandSubject&, const CommandSubject&) = default;
};

/// `PATH=…` and the variables of `subject`, each as `NAME=value`: a complete environment.
std::vector<std::string> environment_of(const CommandSubject& subject);

/// How to run it.
struct CommandPlan {
    std::vector<std::string> arguments = {};  ///< the first is an absolute path; no shell comes near them
    std::vector<std::string> environment = {};
    std::chrono::milliseconds time_out{120'000};
    std::chrono::milliseconds grace{5'000};  ///< from SIGTERM to SIGKILL
};

/// Most of a program's output that is kept, in octets, and most of its printable form (O3).
inline constexpr std::size_t max_command_output = std::size_t{64} << 10U;

/// How it went.
struct CommandOutcome {
    bool started = false;    ///< false: `fault` says why not, and the rest means nothing
    bool timed_out = false;  ///< it did not end in time and was ended
    int exit_status = -1;    ///< -1: a signal ended it
    int signal = 0;          ///< 0: it exited
    std::string fault;
    std::string output;  ///< both streams as they came, printable, lines ended by LF; may hold secrets of the program's
    bool output_cut = false;  ///< there was more

    [[nodiscard]] bool succeeded() const { return started && !timed_out && exit_status == 0; }

    /// `exited with status 3`, `was ended by SIGSEGV`, `did not end in time`, `could not be started (…)`.
    [[nodiscard]] std::string text() const;
};

/// A program that runs in a session and process group of its own, in `/`, with default signals, standard input on
/// /dev/null, both outputs on one pipe and no other descriptor (T23). When it ends what it left in its group is killed.
/// After time_out the group gets SIGTERM, after `grace` SIGKILL (O2). Never blocks the loop, on whose thread all of it
/// happens. A process that leaves the group is beyond reach here; systemd ends those of a hook with its unit.
class Command {
 public:
    /// `done` is called once, on the loop, never from within start(), and may destroy the Command.
    static std::unique_ptr<Command> start(EventLoop& loop, CommandPlan plan, std::function<void(CommandOutcome)> done);

    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;
    /// Kills the group (SIGKILL) if it still runs; `done` is not called then. Waits at most for the kernel to end it.
    ~Command();

 private:
    Command(EventLoop& loop, CommandPlan plan, std::function<void(CommandOutcome)> done);
    void spawn();
    void fail_to_start(std::string why);
    void watch_output();
    bool read_output(std::size_t limit);
    void look_for_end();
    void terminate();
    void conclude();
    void signal_group(int number) const;

    EventLoop& loop_;
    CommandPlan plan_;
    std::function<void(CommandOutcome)> done_;
    pid_t pid_ = -1;
    FileDescriptor exit_;
    FileDescriptor output_;
    std::string raw_;
    CommandOutcome outcome_;
    Watch end_watch_;
    Watch output_watch_;
    Watch time_watch_;
};

}  // namespace hwenroll::runtime
