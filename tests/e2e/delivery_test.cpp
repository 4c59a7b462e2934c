// Consumers that were told in vain: whoever looks sees it, whatever he looks with, until they were told.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"
#include "tests/e2e/terminal_session.h"
#include "tests/support/metrics_text.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* lifetime = "10368000";  // 120 d

class Delivery : public testing::Test {
 protected:
    void configure(const std::string& consumers) {
        world_.configure({.identity_extra = "san = [\"dns:web01.example.com\"]\n" + consumers});
    }
    void configure_hook() { configure("on_change = [[\"/bin/sh\", \"-c\", \"test -e " + works_.string() + "\"]]\n"); }
    /// What is to be typed, as a line's end.
    [[nodiscard]] std::string resume() const {
        return "hwenroll resume web --config " + world_.config().string() + "\n";
    }
    void let_hook_work() { write_file(works_, "", 0600); }

    /// A renewed certificate is published, and its hook has failed.
    void renew_in_vain() {
        configure_hook();
        let_hook_work();
        world_.start_daemon();
        world_.eventually("the first delivery", [&] { return world_.word() == "OK"; });
        first_end_ = world_.leaf()->not_after();
        std::filesystem::remove(works_);
        world_.go_to_day(91);
        world_.eventually("the failed hook", [&] { return attempts() == 1; });
        ASSERT_EQ(world_.generation(), "gen-002");
    }

    [[nodiscard]] json identity() const {
        const json status = json::parse(world_.command({"status", "web", "--json"}).out, nullptr, false);
        return status.is_object() ? status["identities"][0] : json::object();
    }
    [[nodiscard]] int attempts() const {
        const json view = identity();
        return view.contains("delivery") ? view["delivery"]["attempts"].get<int>() : 0;
    }
    [[nodiscard]] MetricsText metrics() const { return read_metrics(world_.command({"metrics"}).out); }
    [[nodiscard]] bool confirms(TimePoint end) const {
        return metrics().value("hwenroll_confirmed_not_after_seconds{identity=\"web\"}") ==
               static_cast<double>(end.time_since_epoch().count());
    }

    DaemonWorld world_{{"--lifetime", lifetime, "--backdate", "0"}};
    std::filesystem::path works_ = world_.directory() / "works";
    TimePoint first_end_;
};

TEST_F(Delivery, O1_a_hook_that_failed_is_told_by_status_check_metrics_doctor_wait_and_bugreport) {
    renew_in_vain();
    const json view = identity();
    EXPECT_EQ(view["state"], "DEPLOYING");
    EXPECT_EQ(view["delivery"]["generation"], 2);
    EXPECT_EQ(view["delivery"]["error"], "E-HOOK-FAILED");
    EXPECT_THAT(view["delivery"]["text"].get<std::string>(), HasSubstr("/bin/sh"));
    EXPECT_EQ(view["delivery"]["since"], to_iso8601(world_.now()));
    EXPECT_EQ(view["delivery"]["confirmed_not_after"], to_iso8601(first_end_));
    EXPECT_TRUE(view["settled"].get<bool>());

    EXPECT_THAT(world_.command({"status"}).out,
                AllOf(HasSubstr("E-HOOK-FAILED web"), HasSubstr("1 retrying"), HasSubstr("next: " + resume())));
    EXPECT_THAT(world_.command({"status", "web"}).out,
                AllOf(HasSubstr("  delivery   failed since " + to_iso8601(world_.now())), HasSubstr("1 time\n"),
                      HasSubstr("E-HOOK-FAILED web"), HasSubstr("             tried again "),
                      HasSubstr("ends " + to_iso8601(first_end_)), HasSubstr("\nnext: " + resume())));

    const RunResult check = world_.command({"check"});
    EXPECT_EQ(check.exit_code, 1);
    EXPECT_THAT(check.out, StartsWith("HWENROLL WARNING - web: not delivered since " + to_iso8601(world_.now()) +
                                      ", E-HOOK-FAILED, what consumers use expires in 29 d"));

    const MetricsText told = metrics();
    EXPECT_EQ(told.value("hwenroll_delivery_failures{identity=\"web\"}"), 1);
    EXPECT_TRUE(confirms(first_end_));
    EXPECT_GT(told.value("hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"leaf\"}"),
              told.value("hwenroll_confirmed_not_after_seconds{identity=\"web\"}"));

    const RunResult doctor = world_.command({"doctor"});
    EXPECT_THAT(doctor.out, AllOf(HasSubstr("told in vain 1 time since"), HasSubstr("-> " + resume())));

    const RunResult wait = world_.command({"wait", "web"});
    EXPECT_EQ(wait.exit_code, 75);
    EXPECT_THAT(wait.out, AllOf(HasSubstr("E-HOOK-FAILED web"), HasSubstr("\nnext: " + resume())));
    const RunResult enroll = world_.command({"enroll", "web", "--wait"});
    EXPECT_EQ(enroll.exit_code, 75) << "it has a certificate, which nobody uses";
    EXPECT_THAT(enroll.out, HasSubstr("E-HOOK-FAILED web"));

    const auto report = world_.directory() / "report.txt";
    ASSERT_EQ(world_.command({"bugreport", "--out", report.string()}).exit_code, 0);
    EXPECT_THAT(read_file(report), AllOf(HasSubstr("\"delivery\": {"), HasSubstr("\"error\": \"E-HOOK-FAILED\"")));

    world_.go_to_day(118);
    world_.eventually("the next failure", [&] { return attempts() == 2; });
    const RunResult late = world_.command({"check"});
    EXPECT_EQ(late.exit_code, 2) << "what consumers use ends in two days: " << late.out;
    EXPECT_THAT(late.out, HasSubstr("what consumers use expires in 2 d"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Delivery, O1_X9_a_failed_delivery_outlives_the_agent_and_is_over_once_the_hook_works) {
    renew_in_vain();
    const json before = identity()["delivery"];
    EXPECT_EQ(world_.stop_daemon(), 0);
    EXPECT_EQ(identity()["delivery"], before) << "from the state alone";
    EXPECT_EQ(world_.command({"check", "--without-daemon"}).exit_code, 1);
    EXPECT_EQ(metrics().value("hwenroll_delivery_failures{identity=\"web\"}"), 1);
    EXPECT_TRUE(confirms(first_end_));

    world_.start_daemon();
    world_.eventually("one more failure", [&] { return world_.listens() && attempts() == 2; });
    EXPECT_EQ(identity()["delivery"]["since"], before["since"]);
    EXPECT_TRUE(confirms(first_end_));

    let_hook_work();
    const RunResult resumed = world_.command({"resume", "web"});
    EXPECT_EQ(resumed.out, "web: its consumers are told again now\n");
    EXPECT_EQ(world_.command({"wait", "web"}).exit_code, 0) << "for the try that has begun, without the clock";
    EXPECT_EQ(world_.word(), "OK");
    EXPECT_FALSE(identity().contains("delivery"));
    EXPECT_EQ(world_.command({"check"}).exit_code, 0);
    EXPECT_EQ(metrics().value("hwenroll_delivery_failures{identity=\"web\"}"), 0);
    EXPECT_TRUE(confirms(world_.leaf()->not_after()));
    EXPECT_THAT(world_.command({"doctor"}).out, Not(HasSubstr("in vain")));
    EXPECT_EQ(world_.command({"resume", "web"}).out, "web: nothing to resume\n");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Delivery, O4_enroll_wait_ends_with_75_when_the_consumer_was_found_without_the_certificate) {
    configure("verify = { command = [\"/bin/sh\", \"-c\", \"test -e " + works_.string() + "\"] }\n");
    world_.start_daemon();
    world_.eventually("the agent", [&] { return world_.listens(); });
    const RunResult enroll = world_.command({"enroll", "web", "--wait"});
    EXPECT_EQ(enroll.exit_code, 75) << enroll.out << enroll.err;
    EXPECT_THAT(enroll.out, AllOf(HasSubstr("E-VERIFY-FAILED web"), HasSubstr("\nnext: " + resume())));
    EXPECT_TRUE(world_.leaf()) << "issued and published";
    EXPECT_EQ(identity()["delivery"]["error"], "E-VERIFY-FAILED");
    EXPECT_FALSE(identity()["delivery"].contains("confirmed_not_after"));
    EXPECT_FALSE(metrics().value("hwenroll_confirmed_not_after_seconds{identity=\"web\"}"));
    EXPECT_EQ(world_.command({"check"}).exit_code, 1);
    const json waited = json::parse(world_.command({"wait", "web", "--json"}).out, nullptr, false);
    ASSERT_TRUE(waited.is_object());
    EXPECT_EQ(waited["event"]["error"], "E-VERIFY-FAILED");
    EXPECT_TRUE(waited["event"]["settled"].get<bool>());
    let_hook_work();
    EXPECT_EQ(world_.command({"resume", "web"}).exit_code, 0);
    EXPECT_EQ(world_.command({"wait", "web"}).exit_code, 0);
    EXPECT_TRUE(confirms(world_.leaf()->not_after()));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Delivery, O3_a_hook_that_is_configured_away_or_mended_in_the_configuration_is_no_failure_any_more) {
    renew_in_vain();
    configure("");
    world_.reload();
    world_.eventually("nobody is told", [&] { return world_.word() == "OK"; });
    EXPECT_FALSE(identity().contains("delivery"));
    EXPECT_EQ(world_.command({"check"}).exit_code, 0);
    EXPECT_THAT(world_.command({"history", "web"}).out, HasSubstr("no consumer is to be told any more"));
    EXPECT_TRUE(confirms(world_.leaf()->not_after()));
    configure_hook();
    world_.reload();
    world_.go_to_day(182);
    world_.eventually("the failed hook of the next one", [&] { return attempts() == 1; });
    configure("on_change = [[\"/bin/true\"]]\n");
    world_.reload();
    world_.eventually("the delivery, at once", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(attempts(), 0);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Delivery, O1_a_run_of_once_ends_with_75_until_its_consumers_were_told) {
    configure_hook();
    const ChildOptions on_this_clock{{"HWENROLL_CLOCK_FILE=" + world_.clock_path().string()}, {}, {}};
    EXPECT_EQ(world_.once(on_this_clock).exit_code, 75);
    EXPECT_EQ(attempts(), 1);
    const RunResult again = world_.once(on_this_clock);
    EXPECT_EQ(again.exit_code, 75);
    EXPECT_THAT(again.err, HasSubstr("E-HOOK-FAILED web"));
    EXPECT_EQ(attempts(), 2);
    EXPECT_EQ(world_.command({"resume", "web"}).out,
              "web: its consumers are told again at the next run of hwenrolld\n");
    let_hook_work();
    EXPECT_EQ(world_.once(on_this_clock).exit_code, 0);
    EXPECT_EQ(attempts(), 0);
    EXPECT_EQ(world_.command({"check", "--without-daemon"}).exit_code, 0);
}

/// Lines of what a terminal of 80 columns has shown.
std::vector<std::string> lines_at_terminal(const DaemonWorld& world, const std::string& command) {
    TerminalSession session({"/bin/sh", "-c",
                             "stty cols 80 rows 50; HWENROLL_CLOCK_FILE=" + world.clock_path().string() + " exec " +
                                 program("hwenroll") + " " + command + " --no-color --config " +
                                 world.config().string()});
    EXPECT_EQ(session.end(), 0) << session.screen();
    std::vector<std::string> lines;
    std::istringstream screen(session.screen());
    for (std::string line; std::getline(screen, line);) {
        line.erase(line.find_last_not_of('\r') + 1);
        lines.push_back(line);
    }
    return lines;
}

TEST_F(Delivery, O1_what_failed_fits_a_terminal_of_80_columns_and_is_whole_off_it) {
    renew_in_vain();
    const std::string whole = identity()["delivery"]["text"];
    ASSERT_GT(whole.size(), 80U);
    for (const char* command : {"status", "status web"}) {
        std::string all;
        for (const std::string& line : lines_at_terminal(world_, command)) {
            EXPECT_LE(line.size(), 80U) << line;
            all += line + '\n';
        }
        EXPECT_THAT(all, AllOf(HasSubstr("E-HOOK-FAILED web"), HasSubstr("next: hwenroll resume web"))) << command;
    }
    EXPECT_THAT(world_.command({"status"}).out, HasSubstr(whole + "\n"));
    EXPECT_THAT(world_.command({"status", "web"}).out, HasSubstr("             " + whole + "\n"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
