// When things are due (REN-1, REN-2, ROLL-4, RT-7, RT-8, K8, K11, invariant 11).
#include "agent/lifecycle/schedule.h"

#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

constexpr LifetimeMark at_75{75, {}};

/// REN-2's CA, whose life begins at `start`.
TimePoint on_day(double days) {
    return start + Seconds(static_cast<long>(days * 86400));
}

Credential issued_on(double first_day, double last_day, std::uint32_t jitter = 0) {
    Credential credential;
    credential.issued = certificate(1, on_day(first_day), on_day(last_day) - on_day(first_day));
    credential.jitter = jitter;
    return credential;
}

TEST(Schedule, REN_2_seventy_five_percent_of_120_days_are_90) {
    EXPECT_EQ(renewal_due(issued_on(0, 120), at_75, 0), on_day(90));
}

TEST(Schedule, REN_2_what_is_issued_on_day_245_is_due_on_day_335_and_capped) {
    const Credential credential = issued_on(245, 365);
    EXPECT_EQ(renewal_due(credential, at_75, 0), on_day(335));
    EXPECT_TRUE(is_capped(credential.issued, on_day(365), hour));
}

TEST(Schedule, REN_2_what_is_issued_on_day_300_and_capped_is_due_on_day_348_75) {
    const Credential credential = issued_on(300, 365);
    EXPECT_EQ(renewal_due(credential, at_75, 0), on_day(348.75));
    EXPECT_TRUE(is_capped(credential.issued, on_day(365), hour));
}

TEST(Schedule, REN_2_what_is_issued_on_day_244_is_not_capped) {
    EXPECT_FALSE(is_capped(issued_on(244, 364).issued, on_day(365), hour));
}

TEST(Schedule, REN_1_within_an_hour_of_the_ca_s_end_is_capped) {
    IssuedRecord issued = issued_on(245, 365).issued;
    issued.not_after -= hour;
    EXPECT_TRUE(is_capped(issued, on_day(365), hour));
    issued.not_after -= Seconds(1);
    EXPECT_FALSE(is_capped(issued, on_day(365), hour));
    issued.not_after = on_day(400);
    EXPECT_TRUE(is_capped(issued, on_day(365), hour)) << "a certificate that outlives its CA";
}

TEST(Schedule, REN_1_K11_the_tolerance_of_a_certificate_of_minutes_is_a_second) {
    IssuedRecord issued = certificate(1, start, Seconds(60));
    EXPECT_TRUE(is_capped(issued, start + Seconds(61), hour));
    EXPECT_FALSE(is_capped(issued, start + Seconds(62), hour));
}

TEST(Schedule, REN_2_a_mark_may_be_a_time_before_the_end) {
    EXPECT_EQ(renewal_due(issued_on(0, 120), {0, 30 * day}, 0), on_day(90));
    EXPECT_EQ(renewal_due(issued_on(0, 120), {0, 200 * day}, 0), on_day(0)) << "never before it is valid";
    EXPECT_EQ(point_in(issued_on(0, 120).issued, {0, Seconds(0)}), on_day(120));
    EXPECT_EQ(point_in(issued_on(0, 120).issued, {0, Seconds(-5)}), on_day(120)) << "never after its end";
}

TEST(Schedule, jitter_makes_a_renewal_earlier_and_never_later_by_at_most_5_percent) {
    for (const std::uint32_t jitter : {0U, 1U, 0x80000000U, 0xFFFFFFFFU}) {
        const TimePoint due = renewal_due(issued_on(0, 120, jitter), at_75, 5);
        EXPECT_LE(due, on_day(90));
        EXPECT_GE(due, on_day(84));
    }
    EXPECT_EQ(renewal_due(issued_on(0, 120, 0x80000000U), at_75, 5), on_day(87));
    EXPECT_EQ(renewal_due(issued_on(0, 120, 0xFFFFFFFFU), {1, {}}, 5), on_day(0)) << "never before it is valid";
    EXPECT_EQ(renewal_due(issued_on(0, 120, 0xFFFFFFFFU), at_75, 0), on_day(90));
}

TEST(Schedule, K11_constants_scale_to_a_hundredth_of_the_lifetime_and_to_a_second) {
    EXPECT_EQ(scaled(hour, 365 * day), hour);
    EXPECT_EQ(scaled(hour, Seconds(60 * 60)), Seconds(36));
    EXPECT_EQ(scaled(hour, Seconds(600)), Seconds(6));
    EXPECT_EQ(scaled(hour, Seconds(60)), Seconds(1));
    EXPECT_EQ(scaled(Seconds(0), day), Seconds(1));
    EXPECT_EQ(scaled(hour, Seconds(-5)), Seconds(1)) << "a lifetime that is none";
}

TEST(Schedule, ROLL_4_the_search_begins_a_fifth_of_the_ca_s_life_before_its_end_or_60_days) {
    EXPECT_EQ(successor_search_begin(on_day(0), on_day(365)), on_day(292)) << "20 % are 73 days";
    EXPECT_EQ(successor_search_begin(on_day(0), on_day(100)), on_day(50)) << "60 days are more than half";
    EXPECT_EQ(successor_search_begin(on_day(0), on_day(200)), on_day(140)) << "60 days";
    EXPECT_EQ(successor_search_begin(start, start + Seconds(600)), start + Seconds(300));
}

TEST(Schedule, ROLL_4_the_search_is_repeated_daily_or_each_hundredth_of_the_ca_s_life) {
    EXPECT_EQ(successor_search_interval(on_day(0), on_day(3650)), day);
    EXPECT_EQ(successor_search_interval(on_day(0), on_day(50)), 12 * hour);
    EXPECT_EQ(successor_search_interval(start, start + Seconds(600)), Seconds(6));
}

TEST(Schedule, K8_a_certificate_without_end_is_due_in_thousands_of_years) {
    const TimePoint never = TimePoint(Seconds(253'402'300'799));  // 9999-12-31T23:59:59Z
    Credential credential;
    credential.issued = {{1}, {}, {anchor}, TimePoint{}, never};
    credential.jitter = 0xFFFFFFFFU;
    const TimePoint due = renewal_due(credential, at_75, 5);
    EXPECT_GT(due, TimePoint(Seconds(170'000'000'000)));
    EXPECT_LT(due, never);
    EXPECT_EQ(lifetime(credential.issued), Seconds(253'402'300'799));
    EXPECT_GT(successor_search_begin(TimePoint{}, never), TimePoint{});
    EXPECT_EQ(next_alert(start, never), never - 60 * day);
}

TEST(Schedule, K8_a_certificate_of_1970_and_one_without_a_lifetime_are_in_order) {
    IssuedRecord none{{1}, {}, {anchor}, TimePoint{}, TimePoint{}};
    EXPECT_EQ(lifetime(none), Seconds(1));
    EXPECT_EQ(point_in(none, at_75), TimePoint{});
    const IssuedRecord backwards{{1}, {}, {anchor}, start, start - day};
    EXPECT_EQ(lifetime(backwards), Seconds(1));
    EXPECT_EQ(point_in(backwards, at_75), start);
    EXPECT_EQ(point_in(backwards, {0, day}), start);
}

TEST(Schedule, RT_8_a_step_doubles_up_to_the_longest) {
    EXPECT_EQ(doubled(minute, 6 * hour, 0), minute);
    EXPECT_EQ(doubled(minute, 6 * hour, 3), 8 * minute);
    EXPECT_EQ(doubled(minute, 6 * hour, 4'000'000'000U), 6 * hour);
    EXPECT_EQ(doubled(hour, minute, 0), minute);
}

TEST(Schedule, RT_8_a_retry_is_drawn_from_half_to_the_whole_of_a_step) {
    EXPECT_EQ(spread(Seconds(60), 0), Seconds(30));
    EXPECT_EQ(spread(Seconds(60), 0xFFFFFFFFU), Seconds(59));
    EXPECT_EQ(spread(Seconds(1), 0), Seconds(1));
    EXPECT_EQ(spread(Seconds(0), 0xFFFFFFFFU), Seconds(1));
}

TEST(Schedule, invariant_11_alerts_come_again_at_60_days_weekly_and_at_7_days_daily) {
    const TimePoint end = on_day(365);
    EXPECT_EQ(next_alert(on_day(270), end), on_day(305));
    EXPECT_EQ(next_alert(on_day(305), end), on_day(312));
    EXPECT_EQ(next_alert(on_day(354), end), on_day(358)) << "not past the first of the last week";
    EXPECT_EQ(next_alert(on_day(358), end), on_day(359));
    EXPECT_EQ(next_alert(on_day(400), end), on_day(401));
}

}  // namespace
}  // namespace hwenroll::lifecycle
