// Several programs, one after the other.
#include "agent/runtime/command_sequence.h"

#include <gmock/gmock.h>

#include "tests/agent/hook/loop_fixture.h"

namespace hwenroll::test {
namespace {

using runtime::CommandPlan;
using runtime::CommandSequence;
using runtime::SequenceOutcome;
using namespace std::chrono_literals;

std::vector<std::string> shell(const std::string& line) {
    return {"/bin/sh", "-c", line};
}

class CommandSequenceTest : public OnLoop {
 protected:
    SequenceOutcome run(std::vector<std::vector<std::string>> commands, std::chrono::milliseconds time_out = 60s) {
        CommandPlan plan{{}, runtime::environment_of({.identity = "web"}), time_out, 100ms};
        return wait_for<SequenceOutcome>([&](std::function<void(SequenceOutcome)> done) {
            sequence_ = CommandSequence::start(loop(), std::move(commands), std::move(plan), std::move(done));
        });
    }

    [[nodiscard]] std::string log() const { return (directory_ / "log").string(); }

    std::unique_ptr<CommandSequence> sequence_;
};

TEST_F(CommandSequenceTest, O5_runs_in_the_lists_order_and_one_at_a_time) {
    const SequenceOutcome outcome = run({shell("echo 1 begins >> " + log() + "; sleep 0.1; echo 1 ends >> " + log()),
                                         shell("echo 2 of $HWENROLL_IDENTITY >> " + log())});
    EXPECT_TRUE(outcome.succeeded()) << outcome.text();
    EXPECT_EQ(read_file(log()), "1 begins\n1 ends\n2 of web\n");
    EXPECT_EQ(outcome.text(), "2 commands exited with status 0");
    EXPECT_EQ(outcome.output(), "");
}

TEST_F(CommandSequenceTest, O5_each_has_its_own_result_and_a_failure_does_not_keep_the_next_from_running) {
    const SequenceOutcome outcome = run({{"/bin/false"}, {"/nonexistent"}, shell("echo ran > " + log())});
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_FALSE(outcome.timed_out());
    ASSERT_EQ(outcome.results.size(), 3U);
    EXPECT_TRUE(outcome.results[2].outcome.succeeded());
    EXPECT_EQ(outcome.text(),
              "'/bin/false' exited with status 1, '/nonexistent' could not be started (No such file or directory)");
    EXPECT_EQ(read_file(log()), "ran\n");
}

TEST_F(CommandSequenceTest, O2_the_time_out_is_for_all_together) {
    const SequenceOutcome outcome = run({shell("sleep inf"), shell("echo ran > " + log())}, 200ms);
    EXPECT_FALSE(outcome.succeeded());
    EXPECT_TRUE(outcome.timed_out());
    EXPECT_EQ(outcome.text(), "'/bin/sh' did not end in time, 1 more not started: no time was left");
    EXPECT_FALSE(std::filesystem::exists(log()));
}

TEST_F(CommandSequenceTest, O3_output_is_told_apart_by_program_and_is_no_part_of_the_text) {
    const SequenceOutcome outcome = run({{"/bin/echo", "hunter2"}, {"/bin/true"}, shell("echo two; exit 3")});
    EXPECT_EQ(outcome.text(), "'/bin/sh' exited with status 3");
    EXPECT_EQ(outcome.output(), "/bin/echo printed:\nhunter2\n/bin/sh printed:\ntwo\n");
}

TEST_F(CommandSequenceTest, an_empty_list_succeeds) {
    EXPECT_TRUE(run({}).succeeded());
}

TEST_F(CommandSequenceTest, X9_that_is_given_up_ends_the_running_program_and_starts_no_other) {
    bool called = false;
    auto sequence = CommandSequence::start(
        loop(), {shell("echo $$ > " + log() + "; sleep inf"), shell("echo second > " + log())},
        CommandPlan{{}, runtime::environment_of({})}, [&](const SequenceOutcome&) { called = true; });
    loop().every(1ms, [&] {
        if (std::filesystem::exists(log()) && read_file(log()).ends_with('\n')) {
            sequence.reset();
            loop().stop();
        }
    });
    ASSERT_TRUE(loop().run());
    EXPECT_TRUE(group_ends(read_file(log())));
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace hwenroll::test
