// What monitoring systems are told, held against a reader of Prometheus' format.
#include "agent/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/metrics_text.h"

namespace hwenroll::test {
namespace {

using observe::MetricFamily;
using observe::Metrics;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimePoint begin{std::chrono::sys_days(std::chrono::year(2027) / 1 / 1)};

lifecycle::IdentityState published() {
    lifecycle::IdentityState state;
    lifecycle::Credential current;
    current.issued.not_before = begin;
    current.issued.not_after = begin + std::chrono::hours(24 * 90);
    current.generation = 3;
    current.published_at = begin + Seconds(7);
    state.current = current;
    return state;
}

std::string seconds(TimePoint time) {
    return std::to_string(time.time_since_epoch().count());
}

TEST(MetricsTextOf, has_each_name_of_the_interface_with_help_type_and_absolute_times) {
    lifecycle::IdentityState state = published();
    state.counters.failures = 2;
    lifecycle::Shadow shadow;
    shadow.credential.issued.not_after = begin + std::chrono::hours(24 * 300);
    state.shadow = shadow;
    Metrics metrics;
    metrics.add("hwenroll_up", {}, 1);
    metrics.add("hwenroll_clock_trusted", {}, 1);
    metrics.add("hwenroll_token_up", {{"token", "lab"}}, 0);
    metrics.add("hwenroll_requests_total", {{"result", "granted"}}, 4);
    metrics.add("hwenroll_token_operations_total", {{"op", "sign"}}, 9);
    metrics.add(
        {"web", "HELD(rejected)", &state, begin + std::chrono::hours(24 * 67), begin + std::chrono::hours(24 * 1000)});
    const MetricsText read = read_metrics(observe::prometheus_text(metrics.families()));
    EXPECT_THAT(read.faults, IsEmpty());
    const std::map<std::string, double> expected{
        {"hwenroll_up", 1},
        {"hwenroll_clock_trusted", 1},
        {"hwenroll_token_up{token=\"lab\"}", 0},
        {"hwenroll_requests_total{result=\"granted\"}", 4},
        {"hwenroll_token_operations_total{op=\"sign\"}", 9},
        {"hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"leaf\"}", 1806537600},
        {"hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"shadow\"}", 1824681600},
        {"hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"ca\"}", 1885161600},
        {"hwenroll_renew_due_seconds{identity=\"web\"}", 1804550400},
        {"hwenroll_last_success_seconds{identity=\"web\"}", 1798761607},
        {"hwenroll_consecutive_failures{identity=\"web\"}", 2},
        {"hwenroll_state{identity=\"web\",state=\"HELD\"}", 1},
        {"hwenroll_deployed_generation{identity=\"web\"}", 3},
        {"hwenroll_delivery_failures{identity=\"web\"}", 0},
        {"hwenroll_confirmed_not_after_seconds{identity=\"web\"}", 1806537600},
    };
    EXPECT_EQ(read.values, expected);
    EXPECT_EQ(read.types.size(), 13U);
}

TEST(MetricsTextOf, O1_O4_consumers_that_were_told_in_vain_are_counted_and_what_they_use_has_its_end) {
    lifecycle::IdentityState state = published();
    state.delivery = lifecycle::Delivery{3, 2, begin + Seconds(60), begin + Seconds(9)};
    const auto told = [&] {
        Metrics metrics;
        metrics.add({"web", "DEPLOYING", &state});
        return read_metrics(observe::prometheus_text(metrics.families()));
    };
    EXPECT_EQ(told().value("hwenroll_delivery_failures{identity=\"web\"}"), 2) << "counted by the version before";
    state.delivery->failure = lifecycle::DeliveryFailure{ErrorCode::hook_failed, "no", begin, 5};
    EXPECT_EQ(told().value("hwenroll_delivery_failures{identity=\"web\"}"), 5);
    EXPECT_EQ(told().value("hwenroll_confirmed_not_after_seconds{identity=\"web\"}"), 1798761609);
    EXPECT_EQ(told().value("hwenroll_cert_not_after_seconds{identity=\"web\",kind=\"leaf\"}"), 1806537600);
    state.delivery->confirmed.reset();
    EXPECT_FALSE(told().value("hwenroll_confirmed_not_after_seconds{identity=\"web\"}")) << "they use none";
}

TEST(MetricsTextOf, what_is_not_known_is_absent_and_not_zero) {
    const lifecycle::IdentityState state;
    Metrics metrics;
    metrics.add({"new", "NEW", &state});
    const MetricsText read = read_metrics(observe::prometheus_text(metrics.families()));
    EXPECT_THAT(read.faults, IsEmpty());
    EXPECT_EQ(read.values.size(), 3U);
    EXPECT_EQ(read.value("hwenroll_delivery_failures{identity=\"new\"}"), 0);
    EXPECT_EQ(read.value("hwenroll_state{identity=\"new\",state=\"NEW\"}"), 1);
    EXPECT_EQ(read.value("hwenroll_consecutive_failures{identity=\"new\"}"), 0);
}

TEST(MetricsTextOf, O3_label_values_and_help_are_escaped) {
    const std::vector<MetricFamily> families{
        {"hwenroll_state", "gauge", "a\\b\n\"c\"", {{{{"identity", "a\"b\\c\nd"}}, 1}}}};
    EXPECT_EQ(observe::prometheus_text(families),
              "# HELP hwenroll_state a\\\\b\\n\"c\"\n# TYPE hwenroll_state gauge\n"
              "hwenroll_state{identity=\"a\\\"b\\\\c\\nd\"} 1\n");
    EXPECT_THAT(read_metrics(observe::prometheus_text(families)).faults, IsEmpty());
}

TEST(MetricsTextOf, parts_are_put_together_under_one_name) {
    const lifecycle::IdentityState state = published();
    Metrics first;
    first.add({"a", "OK", &state});
    Metrics second;
    second.add({"b", "OK", &state});
    Metrics all;
    all.add(first.families());
    all.add(second.families());
    all.add({MetricFamily{"hwenroll_later", "gauge", "Of a later version.", {{{}, 5}}}});
    const MetricsText read = read_metrics(observe::prometheus_text(all.families()));
    EXPECT_THAT(read.faults, IsEmpty());
    EXPECT_EQ(read.value("hwenroll_deployed_generation{identity=\"a\"}"), 3);
    EXPECT_EQ(read.value("hwenroll_deployed_generation{identity=\"b\"}"), 3);
    EXPECT_EQ(read.value("hwenroll_later"), 5);
    EXPECT_EQ(seconds(begin), "1798761600");
}

TEST(MetricsTextReader, finds_what_is_against_the_format) {
    EXPECT_THAT(read_metrics("hwenroll_up 1\n").faults, ElementsAre(HasSubstr("not where it belongs")));
    const std::string head = "# HELP a x\n# TYPE a gauge\n";
    EXPECT_THAT(read_metrics(head + "a 1\na 1\n").faults, ElementsAre("a is there twice"));
    EXPECT_THAT(read_metrics(head + "a{b=\"c} 1\n").faults, ElementsAre(HasSubstr("no line of the format")));
    EXPECT_THAT(read_metrics(head + "a{b=\"c\",} 1\n").faults, ElementsAre(HasSubstr("a comma")));
    EXPECT_THAT(read_metrics(head + "a 1").faults, ElementsAre(HasSubstr("newline")));
    EXPECT_THAT(read_metrics(head + "a NaN\n").faults, ElementsAre(HasSubstr("no line")));
    EXPECT_THAT(read_metrics("# HELP a_total x\n# TYPE a_total gauge\na_total 1\n").faults,
                ElementsAre("a_total is a gauge"));
    EXPECT_THAT(read_metrics(head + "a 1\n# HELP b x\n# TYPE b gauge\nb 1\n" + head).faults,
                ElementsAre("a stands in two blocks"));
}

}  // namespace
}  // namespace hwenroll::test
