// One program: what it gets, how it ends, and what is left of it.
#include "agent/runtime/command.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/agent/hook/loop_fixture.h"

namespace hwenroll::test {
namespace {

using runtime::Command;
using runtime::CommandOutcome;
using runtime::CommandPlan;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

class CommandTest : public OnLoop {
 protected:
    CommandOutcome run(CommandPlan plan) {
        return wait_for<CommandOutcome>([&](std::function<void(CommandOutcome)> done) {
            command_ = Command::start(loop(), std::move(plan), std::move(done));
        });
    }
    CommandOutcome shell(const std::string& line, std::chrono::milliseconds time_out = 60s) {
        return run(plan(line, time_out));
    }
    static CommandPlan plan(const std::string& line, std::chrono::milliseconds time_out = 60s) {
        CommandPlan plan{{"/bin/sh", "-c", line}, runtime::environment_of({}), time_out};
        plan.grace = 100ms;
        return plan;
    }

    std::unique_ptr<Command> command_;
};

TEST_F(CommandTest, that_exits_0_has_succeeded) {
    const CommandOutcome outcome = run({{"/bin/true"}, {}});
    EXPECT_TRUE(outcome.succeeded());
    EXPECT_EQ(outcome.output, "");
}

TEST_F(CommandTest, O1_another_exit_status_is_a_failure_that_is_named) {
    const CommandOutcome outcome = shell("echo no such unit >&2; exit 5");
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_EQ(outcome.exit_status, 5);
    EXPECT_EQ(outcome.text(), "exited with status 5");
    EXPECT_EQ(outcome.output, "no such unit\n");
}

TEST_F(CommandTest, O1_an_end_by_a_signal_is_a_failure_that_is_named) {
    const CommandOutcome outcome = shell("kill -SEGV $$");
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_EQ(outcome.text(), "was ended by SIGSEGV");
}

TEST_F(CommandTest, O1_that_is_not_there_is_a_failure_with_the_cause) {
    const CommandOutcome outcome = run({{"/nonexistent/reload"}, {}});
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_EQ(outcome.text(), "could not be started (No such file or directory)");
}

TEST_F(CommandTest, is_never_looked_for_in_PATH) {
    EXPECT_EQ(run({{"true"}, runtime::environment_of({})}).text(), "could not be started (its path is not absolute)");
    EXPECT_EQ(run({{}, {}}).text(), "could not be started (its path is not absolute)");
}

TEST_F(CommandTest, gets_its_arguments_without_a_shell) {
    const CommandOutcome outcome = run({{"/usr/bin/printf", "[%s]", "$HOME; `id`", "a b"}, {}});
    EXPECT_EQ(outcome.output, "[$HOME; `id`][a b]\n");
}

TEST_F(CommandTest, invariant_7_gets_the_fixed_environment_and_nothing_of_ours) {
    ::setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
    const CommandOutcome outcome = run({{"/usr/bin/env"},
                                        runtime::environment_of({.identity = "web",
                                                                 .generation = "7",
                                                                 .path = "/var/lib/hwenroll/live/web/gen-007",
                                                                 .reason = "change"})});
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    EXPECT_EQ(outcome.output,
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
              "HWENROLL_IDENTITY=web\n"
              "HWENROLL_GENERATION=7\n"
              "HWENROLL_PATH=/var/lib/hwenroll/live/web/gen-007\n"
              "HWENROLL_REASON=change\n");
}

TEST_F(CommandTest, T23_inherits_no_descriptor_but_the_standard_ones) {
    const int leak = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a careless library would
    const int high = ::fcntl(leak, F_DUPFD, 200);
    const CommandOutcome outcome = shell("ls /proc/$$/fd");
    ::close(leak);
    ::close(high);
    EXPECT_EQ(outcome.output, "0\n1\n2\n");
    EXPECT_EQ(shell("readlink /proc/$$/fd/0").output, "/dev/null\n");
}

TEST_F(CommandTest, T23_has_default_signals_a_session_of_its_own_and_the_root_directory) {
    // The loop blocks SIGTERM and SIGINT; a program that inherited that could not be asked to end.
    ::signal(SIGUSR1, SIG_IGN);
    const CommandOutcome signals = run({{"/bin/grep", "-E", "^(SigBlk|SigIgn)", "/proc/self/status"}, {}});
    ::signal(SIGUSR1, SIG_DFL);
    // glibc's posix_spawn leaves its two internal signals, 32 and 33, ignored.
    EXPECT_EQ(signals.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n");
    EXPECT_EQ(shell("pwd; [ $(ps -o sid= -p $$) = $$ ] && echo leader").output, "/\nleader\n");
}

TEST_F(CommandTest, O2_that_hangs_is_ended_with_its_children_at_the_time_out) {
    const CommandOutcome outcome = shell("echo $$; sleep inf & sleep inf", 200ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_EQ(outcome.signal, SIGTERM);
    EXPECT_EQ(outcome.text(), "did not end in time");
    EXPECT_TRUE(group_ends(outcome.output));
}

TEST_F(CommandTest, O2_that_ignores_SIGTERM_is_killed_with_its_children_after_the_grace) {
    const CommandOutcome outcome = shell("trap '' TERM; echo $$; sleep inf & sleep inf", 100ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.signal, SIGKILL);
    EXPECT_TRUE(group_ends(outcome.output));
}

TEST_F(CommandTest, O2_that_exits_0_after_the_time_out_has_not_succeeded) {
    const CommandOutcome outcome = shell("trap 'exit 0' TERM; while :; do sleep 0.01; done", 100ms);
    EXPECT_EQ(outcome.exit_status, 0);
    EXPECT_FALSE(outcome.succeeded());
}

TEST_F(CommandTest, O2_that_was_stopped_is_ended_too) {
    const CommandOutcome outcome = shell("kill -STOP $$", 100ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.signal, SIGTERM);
}

TEST_F(CommandTest, O2_what_it_leaves_behind_in_its_group_does_not_delay_its_end_and_is_killed) {
    const CommandOutcome outcome = shell("echo $$; sleep inf & exit 0");
    EXPECT_TRUE(outcome.succeeded());
    EXPECT_TRUE(group_ends(outcome.output));
}

TEST_F(CommandTest, O3_its_output_is_cut_at_64_KiB_and_does_not_hold_it_up) {
    const CommandOutcome outcome = shell("yes | head -c 300000; echo end >&2");
    EXPECT_TRUE(outcome.succeeded()) << outcome.text();
    EXPECT_TRUE(outcome.output_cut);
    EXPECT_EQ(outcome.output.size(), 65536U);
}

TEST_F(CommandTest, O3_endless_output_leaves_the_loop_free) {
    int turns = 0;
    loop().every(10ms, [&] { ++turns; });
    const CommandOutcome outcome = run({{"/usr/bin/yes"}, {}, 500ms, 100ms});
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.output.size(), 65536U);
    EXPECT_GT(turns, 10);
}

TEST_F(CommandTest, O3_its_output_cannot_steer_a_terminal_or_break_the_journals_text) {
    const CommandOutcome outcome = shell(R"(printf 'a\033[2J\tb\r\n\377\000c')");
    EXPECT_EQ(outcome.output, "a\\x1b[2J\tb\n\\xff\\x00c\n");
}

TEST_F(CommandTest, O3_binary_output_is_not_longer_when_made_printable) {
    const CommandOutcome outcome = shell("head -c 60000 /dev/zero");
    EXPECT_LE(outcome.output.size(), 65536U + 8);
    EXPECT_THAT(outcome.output, StartsWith("\\x00\\x00"));
}

TEST_F(CommandTest, X9_that_is_given_up_is_killed_with_its_children_and_stays_silent) {
    bool called = false;
    const auto mark = directory_ / "pid";
    auto command = Command::start(loop(),
                                  plan("echo $$ > " + mark.string() + ".new; mv " + mark.string() + ".new " +
                                       mark.string() + "; sleep inf & sleep inf"),
                                  [&](const CommandOutcome&) { called = true; });
    while (!std::filesystem::exists(mark)) {
        ::usleep(1000);
    }
    command.reset();
    EXPECT_TRUE(group_ends(read_file(mark)));
    const auto end = loop().after(20ms, [&] { loop().stop(); });
    ASSERT_TRUE(loop().run());
    EXPECT_FALSE(called);
}

TEST_F(CommandTest, leaves_no_zombie) {
    shell("exit 0");
    shell("sleep inf", 50ms);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace hwenroll::test
