// The programs of an identity's `on_change`, after a generation has been published.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/command_sequence.h"
#include "base/error.h"

namespace hwenroll::runtime {

/// Name of hwenroll-hook's socket in runtime_dir.
inline constexpr const char* hook_socket_name = "hook";

/// Where hooks are run: by hwenroll-hook behind `socket` if there is something of that name, else by this process.
struct HookPlace {
    std::filesystem::path socket;  ///< `<runtime_dir>/hook`
    std::chrono::milliseconds time_out = hook_time_out;
    bool service_needed = false;  ///< without the socket they are not run at all
};

/// Whether systemd has started this process as another user than root (systemd.exec(5), SYSTEMD_EXEC_PID): hooks are
/// written for hwenroll-hook's rights there, and would fail one by one without them.
bool hook_service_needed();

/// What to run, and after which generation. hwenroll-hook takes the commands from root's configuration instead.
struct HookTask {
    std::string identity;
    std::uint64_t generation = 0;
    std::filesystem::path publish_dir;
    std::vector<std::vector<std::string>> commands;  ///< `on_change`; empty: nothing is run, here or elsewhere
};

/// What came of it.
struct HookOutcome {
    bool succeeded = false;
    std::string text;          ///< one line
    bool timed_out = false;    ///< a program did not end in time, and was ended
    bool unavailable = false;  ///< hwenroll-hook was not there, refused or gave no answer; it may not have run them
    std::string output;  ///< what they printed; for the journal only (O3). Empty from hwenroll-hook, which logs it

    /// The error for a failure. Codes: hook_failed, hook_unavailable.
    [[nodiscard]] Error error(const std::string& identity) const;
};

/// The environment and limits of a generation's hooks.
CommandPlan hook_plan(const std::string& identity, std::uint64_t generation, const std::filesystem::path& publish_dir,
                      std::chrono::milliseconds time_out);

/// One run of the hooks. On the loop's thread, which it never blocks.
class HookRun {
 public:
    /// `done` is called once, on the loop, never from within start(), and may destroy the HookRun.
    static std::unique_ptr<HookRun> start(EventLoop& loop, const HookPlace& place, HookTask task,
                                          std::function<void(HookOutcome)> done);

    HookRun(const HookRun&) = delete;
    HookRun& operator=(const HookRun&) = delete;
    /// Ends what runs, here and in hwenroll-hook; `done` is not called then.
    ~HookRun() = default;

 private:
    HookRun(EventLoop& loop, std::function<void(HookOutcome)> done) : loop_(loop), done_(std::move(done)) {}
    void run_here(const HookPlace& place, HookTask task);
    void ask(const HookPlace& place, const HookTask& task);
    void take_answer();
    void finish(HookOutcome outcome);
    void unavailable(const std::string& why);

    EventLoop& loop_;
    std::function<void(HookOutcome)> done_;
    std::unique_ptr<CommandSequence> sequence_;
    FileDescriptor connection_;
    Watch answer_watch_;
    Watch time_watch_;
};

}  // namespace hwenroll::runtime
