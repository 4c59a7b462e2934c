// The first part of the CA's machine (SM-1, SM-2, CAPS-1, invariant 10).
#include <gtest/gtest.h>

#include "agent/lifecycle/authority_state.h"

namespace hwenroll::lifecycle {
namespace {

const TimePoint start = TimePoint(Seconds(1'800'000'000));
const Bytes pin(32, 0xAA);

AuthorityPolicy policy() {
    return {{Bytes(32, 1), pin}};
}

AuthorityRecord record(std::uint8_t certificate) {
    return {0, "AES SHA-256", {{certificate}}, pin, {}};
}

AuthorityState trusted() {
    return step({}, AuthorityFetched{record(1)}, policy(), start).state;
}

TEST(AuthorityStep, an_untrusted_ca_is_asked_first) {
    const auto transition = step({}, AuthorityNeeded{}, policy(), start);
    EXPECT_TRUE(transition.fetch);
    EXPECT_EQ(transition.state, AuthorityState{});
}

TEST(AuthorityStep, SM_1_an_authenticated_answer_makes_it_trusted_under_generation_1) {
    const AuthorityState state = trusted();
    EXPECT_EQ(state.phase, AuthorityPhase::trusted);
    EXPECT_EQ(state.current->generation, 1U);
    EXPECT_EQ(state.current->fetched_at, start);
}

TEST(AuthorityStep, CAPS_1_a_trusted_ca_is_asked_again_after_a_day_or_when_the_clock_went_back) {
    EXPECT_FALSE(step(trusted(), AuthorityNeeded{}, policy(), start + Seconds(86399)).fetch);
    EXPECT_TRUE(step(trusted(), AuthorityNeeded{}, policy(), start + Seconds(86400)).fetch);
    EXPECT_TRUE(step(trusted(), AuthorityNeeded{}, policy(), start - Seconds(1)).fetch);
}

TEST(AuthorityStep, the_generation_rises_only_with_other_certificates) {
    const auto same = step(trusted(), AuthorityFetched{record(1)}, policy(), start + Seconds(5)).state;
    EXPECT_EQ(same.current->generation, 1U);
    EXPECT_EQ(same.current->fetched_at, start + Seconds(5));
    EXPECT_EQ(step(trusted(), AuthorityFetched{record(2)}, policy(), start).state.current->generation, 2U);
}

TEST(AuthorityStep, SM_2_invariant_10_a_failed_fetch_neither_trusts_nor_distrusts) {
    const AuthorityFailed failed{Error(ErrorCode::ca_fingerprint, "no match")};
    const auto fresh = step({}, failed, policy(), start).state;
    EXPECT_EQ(fresh.phase, AuthorityPhase::untrusted);
    EXPECT_EQ(fresh.failure->code, ErrorCode::ca_fingerprint);
    const auto known = step(trusted(), failed, policy(), start).state;
    EXPECT_EQ(known.phase, AuthorityPhase::trusted);
    EXPECT_EQ(known.current, trusted().current);
}

TEST(AuthorityStep, a_fingerprint_that_the_operator_took_away_ends_the_trust) {
    const AuthorityPolicy other{{Bytes(32, 0xBB)}};
    const auto transition = step(trusted(), AuthorityNeeded{}, other, start);
    EXPECT_TRUE(transition.fetch);
    EXPECT_EQ(transition.state.phase, AuthorityPhase::untrusted);
}

TEST(AuthorityStep, CACERT_11_a_doubt_forces_one_fetch_and_no_more) {
    const auto doubted = step(trusted(), AuthorityDoubted{}, policy(), start + Seconds(10)).state;
    EXPECT_EQ(doubted.phase, AuthorityPhase::trusted) << "a doubt alone does not end the trust";
    EXPECT_EQ(doubted.current->certificates, trusted().current->certificates);
    EXPECT_TRUE(step(doubted, AuthorityNeeded{}, policy(), start + Seconds(20)).fetch);
    const auto settled = step(doubted, AuthorityFetched{record(1)}, policy(), start + Seconds(20)).state;
    EXPECT_EQ(settled.current->generation, 1U);
    EXPECT_FALSE(step(settled, AuthorityNeeded{}, policy(), start + Seconds(30)).fetch);
}

TEST(AuthorityStep, CACERT_11_a_doubt_about_an_unknown_ca_changes_nothing) {
    EXPECT_EQ(step({}, AuthorityDoubted{}, policy(), start).state, AuthorityState{});
}

TEST(AuthorityStep, CACERT_11_a_doubt_outlives_a_failed_fetch) {
    auto state = step(trusted(), AuthorityDoubted{}, policy(), start).state;
    state = step(state, AuthorityFailed{Error(ErrorCode::ca_timeout, "late")}, policy(), start).state;
    EXPECT_TRUE(step(state, AuthorityNeeded{}, policy(), start + Seconds(1)).fetch);
}

TEST(AuthorityStep, HTTP_28_nobody_asks_before_retry_after_has_passed) {
    const Error busy = Error(ErrorCode::ca_http, "503").retry_after(Seconds(120));
    const auto failed = step({}, AuthorityFailed{busy}, policy(), start).state;
    const auto early = step(failed, AuthorityNeeded{}, policy(), start + Seconds(20));
    EXPECT_FALSE(early.fetch);
    EXPECT_EQ(early.refused_for, Seconds(100));
    const auto due = step(failed, AuthorityNeeded{}, policy(), start + Seconds(120));
    EXPECT_TRUE(due.fetch);
    EXPECT_EQ(due.refused_for, std::nullopt);
}

TEST(AuthorityStep, HTTP_28_retry_after_does_not_stand_in_the_way_of_what_is_known_and_fresh) {
    const Error busy = Error(ErrorCode::ca_http, "503").retry_after(Seconds(120));
    const auto known = step(trusted(), AuthorityFailed{busy}, policy(), start).state;
    const auto transition = step(known, AuthorityNeeded{}, policy(), start + Seconds(1));
    EXPECT_FALSE(transition.fetch);
    EXPECT_EQ(transition.refused_for, std::nullopt);
}

TEST(AuthorityStep, HTTP_28_a_later_failure_or_success_forgets_retry_after) {
    const Error busy = Error(ErrorCode::ca_http, "503").retry_after(Seconds(120));
    const auto failed = step({}, AuthorityFailed{busy}, policy(), start).state;
    const auto again = step(failed, AuthorityFailed{Error(ErrorCode::ca_timeout, "late")}, policy(), start).state;
    EXPECT_TRUE(step(again, AuthorityNeeded{}, policy(), start + Seconds(1)).fetch);
    EXPECT_EQ(step(failed, AuthorityFetched{record(1)}, policy(), start).state.not_before, std::nullopt);
}

TEST(AuthorityStep, HTTP_28_a_clock_that_went_back_does_not_lengthen_the_wait) {
    const Error busy = Error(ErrorCode::ca_http, "503").retry_after(Seconds(120));
    const auto failed = step({}, AuthorityFailed{busy}, policy(), start).state;
    EXPECT_TRUE(step(failed, AuthorityNeeded{}, policy(), start - Seconds(86400)).fetch);
}

}  // namespace
}  // namespace hwenroll::lifecycle
