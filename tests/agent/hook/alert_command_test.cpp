// Alerts that go to a program.
#include "agent/runtime/alert_command.h"

#include <gmock/gmock.h>

#include "tests/agent/hook/loop_fixture.h"

namespace hwenroll::test {
namespace {

using runtime::Alert;
using runtime::AlertCommand;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using namespace std::chrono_literals;

class AlertCommandTest : public OnLoop {
 protected:
    std::unique_ptr<AlertCommand> make(const std::string& line, std::chrono::milliseconds time_out = 60s) {
        return std::make_unique<AlertCommand>(
            loop(), std::vector<std::string>{"/bin/sh", "-c", line},
            [this](const Error& error) {
                EXPECT_EQ(error.code(), ErrorCode::alert_failed);
                failures_.push_back(error.line());
            },
            time_out);
    }

    void run_until_idle(AlertCommand& alerts) {
        alerts.when_idle([&] { loop().stop(); });
        const auto limit = loop().after(60s, [&] { loop().stop(); });
        ASSERT_TRUE(loop().run());
        EXPECT_TRUE(alerts.idle());
    }

    [[nodiscard]] std::string log() const { return (directory_ / "log").string(); }

    std::vector<std::string> failures_;
};

TEST_F(AlertCommandTest, invariant_11_the_program_gets_the_alert_in_its_environment) {
    const auto alerts = make("echo \"$HWENROLL_REASON|$HWENROLL_IDENTITY|$HWENROLL_ALERT|$#\" >> " + log());
    alerts->raise({"web", "E-CA-REJECTED web: refused\x1b[2J; ask `the` CA"});
    run_until_idle(*alerts);
    EXPECT_EQ(read_file(log()), "alert|web|E-CA-REJECTED web: refused\\x1b[2J; ask `the` CA|0\n");
    EXPECT_THAT(failures_, SizeIs(0));
}

TEST_F(AlertCommandTest, never_more_than_one_runs_and_the_order_is_kept) {
    const auto alerts =
        make("mkdir " + (directory_ / "busy").string() + " || echo twice >> " + log() +
             "; sleep 0.05; echo $HWENROLL_ALERT >> " + log() + "; rmdir " + (directory_ / "busy").string());
    for (const char* text : {"one", "two", "three", "two"}) {
        alerts->raise({"web", text});
    }
    run_until_idle(*alerts);
    EXPECT_EQ(read_file(log()), "one\ntwo\nthree\n");
}

TEST_F(AlertCommandTest, a_failure_is_reported_and_the_next_alert_still_goes_out) {
    const auto alerts = make("[ $HWENROLL_ALERT = two ] && echo two > " + log());
    alerts->raise({"web", "one"});
    alerts->raise({"web", "two"});
    run_until_idle(*alerts);
    EXPECT_EQ(read_file(log()), "two\n");
    EXPECT_THAT(failures_, ElementsAre(HasSubstr("E-ALERT-FAILED web: the program of 'on_alert' failed ('/bin/sh' "
                                                 "exited with status 1)")));
}

TEST_F(AlertCommandTest, O2_a_hanging_program_is_ended_and_the_next_alert_goes_out) {
    const auto alerts = make("[ $HWENROLL_ALERT = two ] && echo two > " + log() + " || sleep inf", 200ms);
    alerts->raise({"", "one"});
    alerts->raise({"", "two"});
    run_until_idle(*alerts);
    EXPECT_EQ(read_file(log()), "two\n");
    EXPECT_THAT(failures_, ElementsAre(HasSubstr("did not end in time")));
}

TEST_F(AlertCommandTest, waiting_alerts_are_bounded_and_a_dropped_one_is_named) {
    const auto alerts = make("exit 0");
    for (std::size_t i = 0; i <= runtime::max_waiting_alerts; ++i) {
        alerts->raise({"web", "alert " + std::to_string(i)});
    }
    EXPECT_THAT(failures_, ElementsAre(HasSubstr("too many wait for 'on_alert' (alert 0)")));
}

TEST_F(AlertCommandTest, without_a_program_alerts_go_nowhere) {
    AlertCommand alerts(loop(), {}, [](const Error& error) { FAIL() << error.line(); });
    alerts.raise({"web", "text"});
    run_until_idle(alerts);
}

}  // namespace
}  // namespace hwenroll::test
