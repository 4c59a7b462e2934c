// What monitoring systems get: `hwenroll check` and `hwenroll metrics`, with and without a running agent.
#include <csignal>
#include <sys/stat.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"
#include "tests/support/metrics_text.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

json parsed(const RunResult& result) {
    json value = json::parse(result.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << result.out << result.err;
    EXPECT_EQ(value.value("schema", 0), 1);
    return value;
}

MetricsText metrics_in(const RunResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    MetricsText read = read_metrics(result.out);
    EXPECT_THAT(read.faults, IsEmpty());
    return read;
}

class Monitoring : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        world_.configure();
    }
    void enroll() { ASSERT_EQ(world_.once().exit_code, 0); }
    [[nodiscard]] RunResult check(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "check");
        return world_.hwenroll(std::move(arguments));
    }
    EnrollmentWorld world_;
};

TEST_F(Monitoring, O4_check_answers_as_plugins_do) {
    const RunResult before = check({"--without-daemon"});
    EXPECT_EQ(before.exit_code, 1) << before.err;
    EXPECT_EQ(before.out, "HWENROLL WARNING - web: no certificate yet, NEW\n");
    enroll();
    const RunResult good = check({"--without-daemon"});
    EXPECT_EQ(good.exit_code, 0);
    EXPECT_THAT(good.out, MatchesRegex("HWENROLL OK - 1 identity, web expires in [0-9]+ d( [0-9]+ h)? "
                                       "\\| 'web'=[0-9]+s;1209600:;604800:\n"));
    EXPECT_EQ(check({"--without-daemon", "-w", "95d", "web"}).exit_code, 1);
    EXPECT_EQ(check({"--without-daemon", "-w", "99%", "-c", "95d"}).exit_code, 2);
    const json status = parsed(check({"--without-daemon", "--json", "-c", "95d"}));
    EXPECT_EQ(status["status"], "CRITICAL");
    EXPECT_EQ(status["identities"][0]["name"], "web");
    EXPECT_EQ(status["identities"][0]["critical_seconds"], 95 * 86400);
}

TEST_F(Monitoring, O4_check_warns_while_no_agent_runs) {
    enroll();
    const RunResult alone = check({});
    EXPECT_EQ(alone.exit_code, 1);
    EXPECT_THAT(alone.out, HasSubstr("hwenrolld does not run"));
    EXPECT_TRUE(parsed(check({"--json"}))["daemon_missing"].get<bool>());
}

TEST_F(Monitoring, check_of_what_cannot_be_judged_is_unknown_on_standard_output) {
    EXPECT_THAT(check({"nobody"}).out, StartsWith("HWENROLL UNKNOWN - E-UNKNOWN-NAME"));
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {"nobody"}, {"-w", "soon"}, {"-c", "120%"}, {"--no-such-option"}, {"-w"}}) {
        const RunResult result = check(arguments);
        EXPECT_EQ(result.exit_code, 3) << result.out;
        EXPECT_THAT(result.out, AllOf(StartsWith("HWENROLL UNKNOWN - E-"), Not(HasSubstr("|"))));
    }
    write_file(world_.config(), "nonsense");
    EXPECT_EQ(check({}).exit_code, 3);
    EXPECT_EQ(parsed(check({"--json"}))["status"], "UNKNOWN");
    world_.configure({.key = "rsa:512"});
    EXPECT_EQ(check({"--without-daemon"}).exit_code, 2) << "disabled";
}

TEST_F(Monitoring, metrics_without_an_agent_are_what_the_state_knows) {
    EXPECT_EQ(metrics_in(world_.hwenroll({"metrics"})).value("hwenroll_up"), 0) << "no agent has ever run";
    enroll();
    const MetricsText known = metrics_in(world_.hwenroll({"metrics"}));
    EXPECT_EQ(known.value("hwenroll_up"), 0);
    EXPECT_EQ(known.value("hwenroll_state{identity=\"web\",state=\"OK\"}"), 1);
    EXPECT_EQ(known.value("hwenroll_deployed_generation{identity=\"web\"}"), 1);
    const auto end = known.value("hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"leaf\"}");
    const auto due = known.value("hwenroll_renew_due_seconds{identity=\"web\"}");
    ASSERT_TRUE(end && due);
    EXPECT_NEAR(*end - *due, 90 * 86400 / 4.0 + 90 * 86400 * 0.025, 90 * 86400 * 0.026) << "75 % less the jitter";
    EXPECT_GT(known.value("hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"ca\"}"), end);
    EXPECT_FALSE(known.value("hwenroll_requests_total{result=\"granted\"}")) << "nobody counts";
    EXPECT_FALSE(known.value("hwenroll_clock_trusted"));
}

TEST_F(Monitoring, metrics_textfile_is_whole_readable_and_replaced) {
    enroll();
    const auto file = world_.directory() / "hwenroll.prom";
    const RunResult written = world_.hwenroll({"metrics", "--textfile", file.string()});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    EXPECT_EQ(written.out, "");
    EXPECT_THAT(read_metrics(read_file(file)).faults, IsEmpty());
    struct stat facts {};
    ASSERT_EQ(::stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0644U);
    const std::string before = read_file(file);
    write_file(world_.config(), "nonsense");
    EXPECT_EQ(world_.hwenroll({"metrics", "--textfile", file.string()}).exit_code, 78);
    EXPECT_EQ(read_file(file), before) << "what cannot be told replaces nothing";
    world_.configure();
    const RunResult nowhere =
        world_.hwenroll({"metrics", "--textfile", (world_.directory() / "no" / "x.prom").string()});
    EXPECT_EQ(nowhere.exit_code, 73) << "as of every command that is told where to write";
    EXPECT_THAT(nowhere.err, HasSubstr("E-OUTPUT-FILE"));
}

class MonitoredAgent : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_daemon();
        world_.eventually("a certificate", [this] { return world_.word() == "OK" && world_.listens(); });
    }
    DaemonWorld world_{{}};
};

TEST_F(MonitoredAgent, counts_its_requests_and_the_operations_on_its_tokens) {
    const MetricsText first = metrics_in(world_.command({"metrics"}));
    EXPECT_EQ(first.value("hwenroll_up"), 1);
    EXPECT_EQ(first.value("hwenroll_clock_trusted"), 1);
    EXPECT_EQ(first.value("hwenroll_token_up{token=\"lab\"}"), 1);
    EXPECT_EQ(first.value("hwenroll_requests_total{result=\"granted\"}"), 1);
    EXPECT_EQ(first.value("hwenroll_requests_total{result=\"rejected\"}"), 0);
    EXPECT_EQ(first.value("hwenroll_token_operations_total{op=\"login\"}"), 1);
    EXPECT_EQ(first.value("hwenroll_token_operations_total{op=\"generate\"}"), 1);
    EXPECT_EQ(first.value("hwenroll_token_operations_total{op=\"sign\"}"), 3) << "CSR, its certificate, the message";
    EXPECT_EQ(first.value("hwenroll_token_operations_total{op=\"decrypt\"}"), 2) << "self-test and reply";
    EXPECT_EQ(first.value("hwenroll_state{identity=\"web\",state=\"OK\"}"), 1);
    const auto due = first.value("hwenroll_renew_due_seconds{identity=\"web\"}");
    const json status = parsed(world_.command({"status", "--json"}));
    ASSERT_TRUE(due);
    EXPECT_EQ(to_iso8601(TimePoint(Seconds(static_cast<std::int64_t>(*due)))), status["identities"][0]["renew_at"]);
    ASSERT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    ASSERT_EQ(world_.command({"wait", "web", "--timeout", "30"}).exit_code, 0);
    const MetricsText second = metrics_in(world_.command({"metrics"}));
    EXPECT_EQ(second.value("hwenroll_requests_total{result=\"granted\"}"), 2);
    EXPECT_EQ(second.value("hwenroll_deployed_generation{identity=\"web\"}"), 2);
    EXPECT_EQ(second.value("hwenroll_token_operations_total{op=\"login\"}"), 1) << "it is still logged in";
}

TEST_F(MonitoredAgent, O4_one_that_is_stopped_holds_readers_up_for_seconds_and_state_db_answers) {
    world_.signal(SIGSTOP);
    // Of five seconds for the agent, on a busy machine.
    const auto read = [&](std::vector<std::string> words, std::chrono::seconds within = std::chrono::seconds(15)) {
        words.insert(words.begin(), program("hwenroll"));
        words.insert(words.end(), {"--config", world_.config().string()});
        ChildOptions options;
        options.environment = {"HWENROLL_CLOCK_FILE=" + world_.clock_path().string()};
        const RunResult result = run(words, options, within);
        EXPECT_FALSE(result.timed_out) << words[1];
        return result;
    };
    const std::string restart = fmt::format("kill {0}; kill -CONT {0}; ", world_.daemon().pid());
    const RunResult status = read({"status"});
    EXPECT_THAT(status.out, AllOf(StartsWith("hwenrolld does not answer; "), HasSubstr("web"), HasSubstr("OK"),
                                  HasSubstr("\nnext: " + restart)));
    EXPECT_THAT(read({"status", "web"}).out, AllOf(StartsWith("hwenrolld does not answer"), HasSubstr("OK")));
    for (const std::string command : {"list", "history", "metrics"}) {
        const RunResult result = read({command});
        EXPECT_EQ(result.exit_code, 0) << command;
        EXPECT_THAT(result.out, HasSubstr("web")) << command;
        EXPECT_THAT(result.err, AllOf(StartsWith("E-CONTROL-DEADLINE "), HasSubstr(restart))) << command;
    }
    const RunResult checked = read({"check"});
    EXPECT_EQ(checked.exit_code, 1) << checked.out;
    EXPECT_THAT(checked.out, HasSubstr("hwenrolld does not answer, nothing is renewed"));
    // It looks at the token by itself besides.
    const RunResult doctor = read({"doctor"}, std::chrono::seconds(60));
    EXPECT_EQ(doctor.exit_code, 75) << doctor.out;
    EXPECT_THAT(doctor.out, AllOf(HasSubstr("E-CONTROL-DEADLINE"), HasSubstr("-> " + restart)));
    world_.signal(SIGCONT);
    world_.eventually("its answer", [&] { return read({"status"}).out.find("does not answer") == std::string::npos; });
}

TEST_F(MonitoredAgent, O4_check_sees_an_identity_that_cannot_be_renewed_long_before_it_expires) {
    EXPECT_EQ(world_.command({"check"}).exit_code, 0);
    world_.stop_ca();
    world_.go_to_day(80);
    world_.eventually("a failed renewal", [this] { return world_.word() == "RETRYING"; });
    const RunResult retrying = world_.command({"check"});
    EXPECT_EQ(retrying.exit_code, 1);
    EXPECT_THAT(retrying.out, AllOf(HasSubstr("HWENROLL WARNING - web: retrying"), HasSubstr("E-CA-UNREACHABLE")));
    const MetricsText told = metrics_in(world_.command({"metrics"}));
    EXPECT_GE(told.value("hwenroll_requests_total{result=\"unanswered\"}"), 0);
    EXPECT_GE(told.value("hwenroll_consecutive_failures{identity=\"web\"}"), 1);
    world_.go_to_day(86);
    const RunResult late = world_.command({"check"});
    EXPECT_EQ(late.exit_code, 2) << late.out;
    world_.go_to_day(91);
    const RunResult expired = world_.command({"check"});
    EXPECT_EQ(expired.exit_code, 2);
    EXPECT_THAT(expired.out, HasSubstr("web: "));
    EXPECT_THAT(expired.out, HasSubstr("expired "));
}

TEST_F(MonitoredAgent, metrics_pass_the_checks_of_prometheus_itself) {
    if (run({"sh", "-c", "command -v promtool"}).exit_code != 0) {
        GTEST_SKIP() << "promtool (Debian package prometheus) is not installed";
    }
    ChildOptions options;
    options.input = world_.command({"metrics"}).out;
    const RunResult checked = run({"promtool", "check", "metrics"}, options);
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

}  // namespace
}  // namespace hwenroll::test
