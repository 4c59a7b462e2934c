// When a CRL is fetched again (QRY-4, QRY-6).
#include "agent/lifecycle/crl_state.h"

#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

constexpr std::uint32_t half = std::uint32_t{1} << 31U;

/// Of `life` from `start` on.
CrlRecord list_of(Seconds life) {
    return {{0xC1}, {5}, start, start + life, 3};
}

Seconds pause_of(const CrlState& state, TimePoint from = start) {
    return state.next_try - from;
}

TEST(CrlStateTest, QRY_6_is_fetched_a_tenth_before_its_nextUpdate) {
    EXPECT_EQ(pause_of(after_fetch({}, list_of(10 * hour), start, 0)), 9 * hour);
    EXPECT_EQ(pause_of(after_fetch({}, list_of(10 * hour), start, half)), 9 * hour - Seconds(900)) << "jitter";
}

TEST(CrlStateTest, QRY_6_is_looked_at_daily_however_long_it_counts) {
    EXPECT_EQ(pause_of(after_fetch({}, list_of(30 * day), start, 0)), day);
    CrlRecord endless = list_of(day);
    endless.next_update.reset();
    EXPECT_EQ(pause_of(after_fetch({}, endless, start, half)), day);
}

TEST(CrlStateTest, QRY_6_a_list_near_its_end_is_fetched_after_a_quarter_of_what_is_left) {
    const TimePoint late = start + 9 * hour + Seconds(1800);
    EXPECT_EQ(pause_of(after_fetch({}, list_of(10 * hour), late, 0), late), Seconds(450));
    const TimePoint end = start + 10 * hour;
    EXPECT_EQ(pause_of(after_fetch({}, list_of(10 * hour), end, 0), end), Seconds(60)) << "the floor";
    const TimePoint soon = start + Seconds(19);
    EXPECT_EQ(pause_of(after_fetch({}, list_of(Seconds(20)), soon, 0), soon), Seconds(1)) << "a laboratory's floor";
}

TEST(CrlStateTest, a_success_forgets_failures) {
    CrlState state = after_failure({}, Error(ErrorCode::crl_unusable, "no"), 100 * day, start, 0);
    state.told_at = start;
    state = after_fetch(state, list_of(day), start + hour, 0);
    EXPECT_EQ(state.failures, 0U);
    EXPECT_FALSE(state.failure || state.told_at);
    EXPECT_EQ(state.fetched_at, start + hour);
    EXPECT_EQ(state.crl, list_of(day));
}

TEST(CrlStateTest, RT_8_failures_back_off_from_a_minute_to_six_hours_with_jitter) {
    CrlState state;
    const Error error(ErrorCode::crl_unusable, "no");
    std::vector<Seconds> pauses;
    for (int i = 0; i < 12; ++i) {
        state = after_failure(state, error, 100 * day, start, half);
        pauses.push_back(pause_of(state));
    }
    EXPECT_EQ(pauses[0], Seconds(45)) << "of [30, 60]";
    EXPECT_EQ(pauses[1], Seconds(90));
    EXPECT_EQ(pauses.back(), Seconds(6 * 3600 * 3 / 4));
    EXPECT_EQ(state.failures, 12U);
    EXPECT_EQ(state.failure->code, ErrorCode::crl_unusable);
    EXPECT_EQ(pause_of(after_failure({}, error, Seconds(600), start, half)), Seconds(4)) << "scaled: of [3, 6]";
}

TEST(CrlStateTest, a_failure_leaves_the_list_at_hand_and_heeds_Retry_After) {
    const CrlState before = after_fetch({}, list_of(30 * day), start, 0);
    const CrlState after =
        after_failure(before, Error(ErrorCode::ca_http, "503").retry_after(Seconds(7200)), day, start + day, 0);
    EXPECT_EQ(after.crl, before.crl);
    EXPECT_EQ(after.fetched_at, before.fetched_at);
    EXPECT_EQ(pause_of(after, start + day), Seconds(7200));
    const CrlState absurd =
        after_failure(before, Error(ErrorCode::ca_http, "503").retry_after(Seconds(999'999)), day, start, 0);
    EXPECT_EQ(pause_of(absurd), day);
}

TEST(CrlStateTest, K3_a_fetch_that_a_clock_that_was_ahead_put_off_is_due) {
    CrlState state;
    state.next_try = start + 400 * day;
    EXPECT_EQ(next_fetch(state, start), start);
    state.next_try = start + day;
    EXPECT_EQ(next_fetch(state, start), start + day);
}

TEST(CrlStateTest, invariant_11_the_end_of_the_list_at_hand_is_told_daily) {
    CrlState state = after_fetch({}, list_of(day), start, 0);
    EXPECT_FALSE(is_to_be_told(state, start + day));
    EXPECT_TRUE(is_to_be_told(state, start + day + Seconds(1)));
    state.told_at = start + day + Seconds(1);
    EXPECT_FALSE(is_to_be_told(state, start + day + hour));
    EXPECT_TRUE(is_to_be_told(state, start + 2 * day + Seconds(1)));
    EXPECT_FALSE(is_to_be_told(CrlState{}, start)) << "there is none";
}

TEST(CrlStateTest, the_issuer_is_the_first_of_the_chain_or_the_anchor) {
    IssuedRecord record = issued();
    EXPECT_EQ(*issuer_of(record), record.chain.front());
    record.chain.clear();
    EXPECT_EQ(*issuer_of(record), record.anchors.front());
    record.anchors.clear();
    EXPECT_EQ(issuer_of(record), nullptr);
}

}  // namespace
}  // namespace hwenroll::lifecycle
