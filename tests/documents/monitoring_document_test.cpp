// docs/monitoring.md and what lies in docs/monitoring, held against the metrics that there are, and by the programs
// that read them where they are here.
#include <chrono>
#include <cstdlib>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/observe/metrics.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/child_process.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSubsetOf;
using testing::Not;

std::string document() {
    return read_file(source_file("docs/monitoring.md"));
}

std::string part(const std::string& name) {
    return read_file(source_file("docs/monitoring/" + name));
}

/// The first group of each match, once.
std::set<std::string> all_in(const std::string& text, const std::string& pattern) {
    const std::regex expression(pattern);
    std::set<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) {
        found.insert((*at)[1].str());
    }
    return found;
}

std::set<std::string> metrics_in(const std::string& text) {
    return all_in(text, R"(\b(hwenroll_[a-z_]+))");
}

std::set<std::string> metrics_of_the_interface() {
    const observe::Metrics metrics;
    std::set<std::string> names;
    for (const observe::MetricFamily& family : metrics.families()) {
        names.insert(family.name);
    }
    return names;
}

std::set<std::string> alerts() {
    return all_in(part("hwenroll.rules.yml"), R"(- alert: (\w+))");
}

/// The states that `hwenroll status` shows, as its manual page lists them.
std::set<std::string> states() {
    return all_in(read_file(source_file("docs/man/hwenroll.1")), R"(\.It Li ([A-Z-]+))");
}

/// Skips where `file` is missing, unless nothing may be.
#define NEEDS(file, package)                                                   \
    if (const auto missing = missing_package({{file, package}})) {             \
        ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing; \
        GTEST_SKIP() << *missing;                                              \
    }                                                                          \
    static_assert(true)

TEST(MonitoringFiles, O4_use_metrics_and_states_that_exist_and_every_metric) {
    const std::string rules = part("hwenroll.rules.yml");
    const std::string dashboard = part("hwenroll-dashboard.json");
    const auto there = metrics_of_the_interface();
    ASSERT_THAT(there, Contains("hwenroll_up"));
    for (const std::string& text : {rules, part("hwenroll.rules.test.yml"), dashboard, document()}) {
        EXPECT_THAT(metrics_in(text), IsSubsetOf(there));
        EXPECT_THAT(metrics_in(text), Not(IsEmpty()));
        EXPECT_THAT(all_in(text, R"(state=\\?"([A-Z-]+))"), IsSubsetOf(states()));
    }
    EXPECT_EQ(metrics_in(dashboard), there) << "what is told and not shown";
    EXPECT_THAT(all_in(rules, R"(state="([A-Z-]+))"), ElementsAre("DEPLOYING", "DISABLED", "HELD"));
}

TEST(MonitoringFiles, a_metric_that_is_not_told_is_found) {
    EXPECT_THAT(metrics_in("rate(hwenroll_no_such_total{a=\"b\"}[1h]) > hwenroll:recorded"),
                ElementsAre("hwenroll_no_such_total"));
    EXPECT_THAT(metrics_of_the_interface(), Not(Contains("hwenroll_no_such_total")));
}

TEST(MonitoringFiles, O4_each_alert_is_told_of_and_is_tried) {
    const std::string rules = part("hwenroll.rules.yml");
    EXPECT_GE(alerts().size(), 12U);
    EXPECT_EQ(all_in(part("hwenroll.rules.test.yml"), R"(alertname: (\w+))"), alerts());
    EXPECT_EQ(all_in(document(), R"(\n\| (Hwenroll\w+) \|)"), alerts());
    for (const std::string& alert : alerts()) {
        const std::size_t begin = rules.find("- alert: " + alert + "\n");
        const std::string rule = rules.substr(begin, rules.find("- alert: ", begin + 1) - begin);
        EXPECT_THAT(rule, AnyOf(HasSubstr("severity: warning\n"), HasSubstr("severity: critical\n"))) << alert;
        EXPECT_THAT(rule, HasSubstr("summary: \"")) << alert;
        EXPECT_THAT(rule, HasSubstr("description: \"")) << alert;
        // Expected to be silent alone, it could be one that never fires.
        EXPECT_TRUE(std::regex_search(part("hwenroll.rules.test.yml"),
                                      std::regex("alertname: " + alert + "\n +exp_alerts:\n +- exp_labels")))
            << alert << " is never seen to fire";
    }
}

TEST(MonitoringFiles, the_dashboard_has_panels_with_queries_that_do_not_overlap) {
    const auto dashboard = nlohmann::json::parse(part("hwenroll-dashboard.json"));
    EXPECT_EQ(dashboard.at("title"), "hwenroll");
    std::set<int> ids;
    std::set<std::pair<int, int>> cells;
    for (const auto& panel : dashboard.at("panels")) {
        const std::string title = panel.at("title");
        EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << title;
        EXPECT_NE(panel.at("description"), "") << title;
        EXPECT_FALSE(panel.at("targets").empty()) << title;
        for (const auto& target : panel.at("targets")) {
            EXPECT_THAT(metrics_in(target.at("expr")), Not(IsEmpty())) << title;
        }
        const auto at = [&](const char* key) { return panel.at("gridPos").at(key).get<int>(); };
        EXPECT_LE(at("x") + at("w"), 24) << title;
        for (int x = at("x"); x < at("x") + at("w"); ++x) {
            for (int y = at("y"); y < at("y") + at("h"); ++y) {
                EXPECT_TRUE(cells.insert({x, y}).second) << title << " lies over another";
            }
        }
    }
    EXPECT_GE(ids.size(), 10U);
}

class Promtool : public testing::Test {
 protected:
    void SetUp() override { NEEDS("promtool", "prometheus"); }

    /// promtool in a directory with `rules` and `tests` of them.
    [[nodiscard]] RunResult promtool(const std::string& rules, const std::string& tests,
                                     std::vector<std::string> words) const {
        write_file(directory_ / "hwenroll.rules.yml", rules);
        write_file(directory_ / "hwenroll.rules.test.yml", tests);
        words.insert(words.begin(), "promtool");
        return run(words, {{}, directory_.path(), {}}, std::chrono::minutes(4));
    }

    const std::string rules_ = part("hwenroll.rules.yml");
    const std::string tests_ = part("hwenroll.rules.test.yml");

 private:
    TemporaryDirectory directory_;
};

TEST_F(Promtool, O4_accepts_the_rules_and_sees_each_alert_up_to_and_past_its_threshold) {
    const RunResult checked = promtool(rules_, tests_, {"check", "rules", "hwenroll.rules.yml"});
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    const RunResult tested = promtool(rules_, tests_, {"test", "rules", "hwenroll.rules.test.yml"});
    EXPECT_EQ(tested.exit_code, 0) << tested.out << tested.err;
}

TEST_F(Promtool, sees_a_threshold_that_was_moved) {
    const std::string moved = std::regex_replace(rules_, std::regex("_failures >= 3"), "_failures >= 4");
    ASSERT_NE(moved, rules_);
    // The one world of the tests that is about it: the others take long.
    const std::size_t begin = tests_.find("  - name: an identity that fails");
    const std::string tests =
        tests_.substr(0, tests_.find("  #")) + tests_.substr(begin, tests_.find("  #", begin) - begin);
    const std::vector<std::string> words{"test", "rules", "hwenroll.rules.test.yml"};
    EXPECT_EQ(promtool(rules_, tests, words).exit_code, 0);
    const RunResult tested = promtool(moved, tests, words);
    EXPECT_NE(tested.exit_code, 0);
    EXPECT_THAT(tested.out + tested.err, HasSubstr("HwenrollFailing"));
}

TEST(MonitoringUnits, are_understood_by_systemd) {
    NEEDS("systemd-analyze", "systemd");
    const RecipeBook book(document());
    const TemporaryDirectory directory;
    std::vector<std::string> command{"systemd-analyze", "verify", "--man=no"};
    for (const std::string name : {"hwenroll-metrics.service", "hwenroll-metrics.timer"}) {
        const std::string unit = book.text("/etc/systemd/system/" + name, {});
        write_file(directory / name, std::regex_replace(unit, std::regex("/usr/bin/hwenroll"), "/bin/true"));
        command.push_back((directory / name).string());
    }
    const RunResult verified = run(command);
    EXPECT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_THAT(verified.out + verified.err, Not(HasSubstr(directory.path().string())));
}

TEST(MonitoringUnits, run_commands_that_exist) {
    const std::string unit = RecipeBook(document()).text("/etc/systemd/system/hwenroll-metrics.service", {});
    EXPECT_THAT(unit, HasSubstr("\nExecStart=/usr/bin/hwenroll metrics --textfile /"));
    EXPECT_THAT(run({program("hwenroll"), "metrics", "--help"}).out, HasSubstr("--textfile"));
    const std::string check = run({program("hwenroll"), "check", "--help"}).out;
    for (const char* option : {"-w,", "-c,", "--without-daemon"}) {
        EXPECT_THAT(check, HasSubstr(option));
    }
}

}  // namespace
}  // namespace hwenroll::test
