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

// The second part: successors (ROLL-*, C16 to C21).

const TimePoint ca_begin = start - Seconds(86400L * 300);
const TimePoint ca_end = ca_begin + Seconds(86400L * 365);
const Bytes next_pin(32, 0xBB);
const Bytes second_pin(32, 0xCC);

AuthorityPolicy announcing() {
    AuthorityPolicy rules = policy();
    rules.announces_successor = true;
    return rules;
}

AuthorityRecord authority(std::uint8_t certificate, const Bytes& fingerprint, TimePoint from, TimePoint to) {
    AuthorityRecord result{0, "AES SHA-256 GetNextCACert", {{certificate}}, fingerprint, {}};
    result.anchor = {certificate};
    result.not_before = from;
    result.not_after = to;
    return result;
}

AuthorityRecord current_ca() {
    return authority(1, pin, ca_begin, ca_end);
}

AuthorityRecord next_ca() {
    return authority(2, next_pin, ca_end, ca_end + Seconds(86400L * 365));
}

AuthorityState in_office() {
    return step({}, AuthorityFetched{current_ca()}, announcing(), start).state;
}

AuthorityState with_successor() {
    return step(in_office(), SuccessorFetched{next_ca()}, announcing(), start).state;
}

AuthorityState succeeded() {
    return step(with_successor(), AuthorityTick{}, announcing(), ca_end).state;
}

TEST(AuthorityStep, ROLL_4_the_successor_is_sought_from_a_fifth_of_the_ca_s_life_before_its_end) {
    const TimePoint begin = ca_end - Seconds(86400L * 73);
    EXPECT_EQ(next_due(in_office(), announcing()), begin);
    EXPECT_FALSE(step(in_office(), AuthorityTick{}, announcing(), begin - Seconds(1)).seek);
    const auto sought = step(in_office(), AuthorityTick{}, announcing(), begin);
    EXPECT_TRUE(sought.seek);
    EXPECT_EQ(sought.state.sought_at, begin);
}

TEST(AuthorityStep, ROLL_4_the_search_is_repeated_daily) {
    const TimePoint begin = ca_end - Seconds(86400L * 73);
    const auto once = step(in_office(), AuthorityTick{}, announcing(), begin).state;
    EXPECT_EQ(next_due(once, announcing()), begin + Seconds(86400));
    EXPECT_FALSE(step(once, AuthorityTick{}, announcing(), begin + Seconds(86399)).seek);
    EXPECT_TRUE(step(once, AuthorityTick{}, announcing(), begin + Seconds(86400)).seek);
}

TEST(AuthorityStep, K3_a_clock_that_went_back_does_not_put_the_search_off) {
    AuthorityState state = in_office();
    state.sought_at = ca_end + Seconds(86400L * 4000);
    EXPECT_TRUE(step(state, AuthorityTick{}, announcing(), ca_end - Seconds(86400)).seek);
}

TEST(AuthorityStep, ROLL_1_CAPS_12_a_ca_that_does_not_announce_it_is_not_asked) {
    EXPECT_FALSE(step(in_office(), AuthorityTick{}, policy(), ca_end - Seconds(1)).seek);
    EXPECT_FALSE(step(in_office(), SuccessorNeeded{}, policy(), ca_end - Seconds(1)).seek);
    EXPECT_EQ(next_due(in_office(), policy()), std::nullopt);
}

TEST(AuthorityStep, REN_1_a_successor_that_an_identity_needs_is_sought_at_once_unless_it_is_known) {
    EXPECT_TRUE(step(in_office(), SuccessorNeeded{}, announcing(), start).seek);
    EXPECT_FALSE(step(with_successor(), SuccessorNeeded{}, announcing(), start).seek);
    EXPECT_FALSE(step({}, SuccessorNeeded{}, announcing(), start).seek);
}

TEST(AuthorityStep, ROLL_14_a_successor_is_kept_beside_the_current_ca) {
    const auto known = step(in_office(), SuccessorFetched{next_ca()}, announcing(), start);
    EXPECT_EQ(known.state.phase, AuthorityPhase::next_known);
    EXPECT_EQ(known.state.next->anchor_fingerprint, next_pin);
    EXPECT_EQ(known.state.next->generation, 2U);
    EXPECT_EQ(known.state.current->anchor_fingerprint, pin);
    EXPECT_NE(known.note.find("BB:BB"), std::string::npos) << "ROLL-8: a security event";
    const AuthorityFacts facts = facts_of(known.state, start);
    EXPECT_EQ(facts.anchor, Bytes{1});
    ASSERT_TRUE(facts.next);
    EXPECT_EQ(facts.next->anchor, Bytes{2});
    EXPECT_EQ(facts.overlaps, std::vector<Bytes>{Bytes{2}});
}

TEST(AuthorityStep, ROLL_14_the_same_successor_again_changes_nothing) {
    const auto again = step(with_successor(), SuccessorFetched{next_ca()}, announcing(), start + Seconds(86400));
    EXPECT_EQ(again.state, with_successor());
    EXPECT_EQ(again.note, "");
}

TEST(AuthorityStep, C18_ROLL_17_the_current_ca_is_not_its_own_successor) {
    const AuthorityState before = in_office();
    EXPECT_EQ(step(before, SuccessorFetched{current_ca()}, announcing(), start).state, before);
    EXPECT_EQ(step({}, SuccessorFetched{next_ca()}, announcing(), start).state, AuthorityState{});
}

TEST(AuthorityStep, ROLL_8_a_ca_that_was_left_is_not_a_successor) {
    const AuthorityState before = succeeded();
    EXPECT_EQ(step(before, SuccessorFetched{current_ca()}, announcing(), ca_end).state, before);
}

TEST(AuthorityStep, C20_a_second_successor_before_the_first_is_in_office_takes_its_place) {
    const AuthorityRecord second = authority(3, second_pin, ca_end, ca_end + Seconds(86400));
    const auto replaced = step(with_successor(), SuccessorFetched{second}, announcing(), start);
    EXPECT_EQ(replaced.state.next->anchor_fingerprint, second_pin);
    EXPECT_EQ(replaced.state.next->generation, 3U);
    EXPECT_NE(replaced.note.find("in place of"), std::string::npos);
}

TEST(AuthorityStep, C17_ROLL_4_a_missing_successor_is_no_failure_of_the_ca) {
    const SuccessorMissing missing{Error(ErrorCode::ca_http, "404")};
    const auto once = step(in_office(), missing, announcing(), start);
    EXPECT_EQ(once.state, in_office());
    EXPECT_NE(once.note, "");
    EXPECT_EQ(step(once.state, missing, announcing(), start).note, "") << "told once";
    const auto known = step(with_successor(), missing, announcing(), start);
    EXPECT_EQ(known.state.next, with_successor().next) << "what was promised stays";
}

TEST(AuthorityStep, ROLL_14_ROLL_16_at_its_end_the_ca_is_succeeded_and_asked_anew) {
    EXPECT_EQ(step(with_successor(), AuthorityTick{}, announcing(), ca_end - Seconds(1)).state.phase,
              AuthorityPhase::next_known);
    const AuthorityState state = succeeded();
    EXPECT_EQ(state.phase, AuthorityPhase::switched);
    EXPECT_EQ(state.current->anchor_fingerprint, next_pin);
    EXPECT_FALSE(state.next);
    ASSERT_EQ(state.left.size(), 1U);
    EXPECT_EQ(state.left[0].fingerprint, pin);
    EXPECT_TRUE(step(state, AuthorityNeeded{}, announcing(), ca_end).fetch);
}

TEST(AuthorityStep, ROLL_13_a_successor_that_is_valid_already_does_not_make_the_ca_go_over_early) {
    AuthorityState state = with_successor();
    state.next->not_before = start;
    EXPECT_EQ(step(state, AuthorityTick{}, announcing(), start + Seconds(1)).state.current, state.current)
        << "identities without a shadow would be left behind";
}

TEST(AuthorityStep, K1_an_untrusted_clock_makes_no_ca_go_over_and_does_not_spin_over_it) {
    AuthorityPolicy rules = announcing();
    rules.clock_trusted = false;
    const auto ticked = step(with_successor(), AuthorityTick{}, rules, ca_end);
    EXPECT_EQ(ticked.state.phase, AuthorityPhase::next_known);
    EXPECT_GT(next_due(ticked.state, rules), ca_end);
    EXPECT_EQ(step(with_successor(), SuccessorInOffice{next_ca()}, rules, ca_end).state, with_successor());
}

TEST(AuthorityStep, ROLL_17_a_successor_that_is_in_office_early_takes_over) {
    AuthorityRecord shown = next_ca();
    shown.certificates.push_back({9});
    const auto over = step(with_successor(), SuccessorInOffice{shown}, announcing(), start + Seconds(5));
    EXPECT_EQ(over.state.phase, AuthorityPhase::switched);
    EXPECT_EQ(over.state.current->anchor_fingerprint, next_pin);
    EXPECT_GT(over.state.current->generation, with_successor().next->generation) << "other certificates";
    EXPECT_EQ(facts_of(over.state, start + Seconds(5)).left, std::vector<Bytes>{Bytes{1}});
}

TEST(AuthorityStep, C16_an_unknown_ca_in_office_changes_nothing) {
    const AuthorityRecord unknown = authority(3, second_pin, start, ca_end);
    EXPECT_EQ(step(with_successor(), SuccessorInOffice{unknown}, announcing(), start).state, with_successor());
    EXPECT_EQ(step(in_office(), SuccessorInOffice{next_ca()}, announcing(), start).state, in_office());
}

TEST(AuthorityStep, C16_a_successor_of_a_ca_that_the_operator_took_away_does_not_take_over) {
    AuthorityPolicy other = announcing();
    other.pinned = {second_pin};
    EXPECT_EQ(step(with_successor(), SuccessorInOffice{next_ca()}, other, start).state, with_successor());
    EXPECT_EQ(step(with_successor(), AuthorityTick{}, other, ca_end).state, with_successor());
    EXPECT_EQ(next_due(with_successor(), other), std::nullopt) << "AuthorityNeeded is what ends the trust";
}

TEST(AuthorityStep, the_stored_successor_wins_while_the_configuration_is_unchanged) {
    const AuthorityState state = succeeded();
    const auto needed = step(state, AuthorityNeeded{}, announcing(), ca_end);
    EXPECT_EQ(needed.state.phase, AuthorityPhase::switched);
    EXPECT_EQ(needed.state.current, state.current);
    const auto lagging = step(state, AuthorityFetched{current_ca()}, announcing(), ca_end);
    EXPECT_EQ(lagging.state.current, state.current) << "ROLL-8: no way back to a CA that was left";
    EXPECT_NE(lagging.note, "");
}

TEST(AuthorityStep, another_configuration_counts_again_after_a_rollover) {
    AuthorityPolicy other = announcing();
    other.pinned = {pin};
    const auto needed = step(succeeded(), AuthorityNeeded{}, other, ca_end);
    EXPECT_EQ(needed.state.phase, AuthorityPhase::untrusted);
    EXPECT_TRUE(needed.fetch);
    const auto fetched = step(needed.state, AuthorityFetched{current_ca()}, other, ca_end);
    EXPECT_EQ(fetched.state.current->anchor_fingerprint, pin) << "the operator says so";
    EXPECT_EQ(facts_of(fetched.state, ca_end).left, std::vector<Bytes>{}) << "nobody has left it";
}

TEST(AuthorityStep, the_new_line_of_the_configuration_keeps_what_the_rollover_brought) {
    AuthorityPolicy other = announcing();
    other.pinned = {next_pin};
    const auto needed = step(succeeded(), AuthorityNeeded{}, other, ca_end);
    EXPECT_EQ(needed.state.phase, AuthorityPhase::switched);
}

TEST(AuthorityStep, a_pinned_ca_that_follows_without_announcement_leaves_the_old_one_behind) {
    AuthorityPolicy both = announcing();
    both.pinned = {pin, next_pin};
    const auto over = step(in_office(), AuthorityFetched{next_ca()}, both, start).state;
    EXPECT_EQ(over.phase, AuthorityPhase::trusted);
    EXPECT_EQ(facts_of(over, start).left, std::vector<Bytes>{Bytes{1}});
    EXPECT_EQ(facts_of(over, start).overlaps, std::vector<Bytes>{Bytes{1}});
    const auto back = step(over, AuthorityFetched{current_ca()}, both, start).state;
    EXPECT_EQ(facts_of(back, start).left, std::vector<Bytes>{}) << "a farm that answers one way and the other";
    EXPECT_FALSE(back.next) << "ROLL-8: a pin is not a successor's announcement";
}

TEST(AuthorityStep, C19_the_old_anchor_overlaps_until_it_expires) {
    const AuthorityState early = step(with_successor(), SuccessorInOffice{next_ca()}, announcing(), start).state;
    EXPECT_EQ(facts_of(early, ca_end - Seconds(1)).overlaps, std::vector<Bytes>{Bytes{1}});
    EXPECT_EQ(facts_of(early, ca_end).overlaps, std::vector<Bytes>{});
    EXPECT_EQ(facts_of(early, ca_end).left, std::vector<Bytes>{Bytes{1}})
        << "identities still see that they are behind";
}

TEST(AuthorityStep, C21_a_ca_that_is_offline_across_its_end_stays_and_is_asked_for_a_successor) {
    const auto ticked = step(in_office(), AuthorityTick{}, announcing(), ca_end + Seconds(86400));
    EXPECT_TRUE(ticked.seek);
    EXPECT_EQ(ticked.state.current, in_office().current);
    EXPECT_EQ(ticked.state.phase, AuthorityPhase::trusted);
}

TEST(AuthorityStep, ROLL_14_a_second_rollover_after_the_first_leaves_two_cas_behind) {
    AuthorityState state = succeeded();
    const TimePoint second_end = ca_end + Seconds(86400L * 365);
    state = step(state, SuccessorFetched{authority(3, second_pin, second_end, second_end + Seconds(86400))},
                 announcing(), ca_end)
                .state;
    state = step(state, AuthorityTick{}, announcing(), second_end).state;
    EXPECT_EQ(state.current->anchor_fingerprint, second_pin);
    EXPECT_EQ(facts_of(state, second_end).left, (std::vector<Bytes>{{1}, {2}}));
    EXPECT_FALSE(step(state, AuthorityNeeded{}, announcing(), second_end).state.phase == AuthorityPhase::untrusted);
}

/// A CA that a clock ahead has made go over twice: the second time before the end of its second generation.
AuthorityState gone_over_early() {
    const TimePoint second_end = ca_end + Seconds(86400L * 365);
    AuthorityState state = step(succeeded(), AuthorityFetched{next_ca()}, announcing(), ca_end).state;
    state = step(state, SuccessorFetched{authority(3, second_pin, second_end, second_end + Seconds(86400))},
                 announcing(), ca_end)
                .state;
    return step(state, AuthorityTick{}, announcing(), second_end).state;
}

TEST(AuthorityStep, K10_a_ca_that_was_left_too_early_and_answers_again_is_not_left_any_more) {
    const TimePoint now = ca_end + Seconds(86400);
    AuthorityState state = gone_over_early();
    ASSERT_EQ(facts_of(state, now).anchor, Bytes{3});
    state = step(state, AuthorityFetched{next_ca()}, announcing(), now).state;
    const AuthorityFacts facts = facts_of(state, now);
    EXPECT_EQ(facts.anchor, Bytes{2});
    EXPECT_EQ(facts.left, std::vector<Bytes>{{1}}) << "identities would enroll anew without end";
    EXPECT_EQ(step(state, AuthorityNeeded{}, announcing(), now).state.phase, AuthorityPhase::next_known)
        << "it is as trusted as before";
}

TEST(AuthorityStep, K10_invariant_10_the_way_back_from_a_successor_forgets_none_of_its_trust) {
    const TimePoint now = ca_end + Seconds(86400);
    const AuthorityState early = gone_over_early();
    AuthorityState state = step(early, AuthorityFetched{next_ca()}, announcing(), now).state;
    EXPECT_EQ(state.phase, AuthorityPhase::next_known);
    ASSERT_TRUE(state.next);
    EXPECT_EQ(state.next->anchor, Bytes{3});
    EXPECT_TRUE(state.next->capabilities.empty());
    ASSERT_TRUE(facts_of(state, now).next) << "certificates that it has issued already are a successor's";
    const TimePoint its_time = std::max(state.next->not_before, state.current->not_after);
    state = step(state, AuthorityTick{}, announcing(), its_time).state;
    EXPECT_EQ(state.current->anchor, Bytes{3}) << "though nobody announces it any more";
    EXPECT_EQ(state.current->certificates, early.current->certificates);
}

TEST(AuthorityStep, K10_invariant_10_there_is_no_way_back_but_to_a_ca_that_was_left_before_its_end) {
    const AuthorityState state = gone_over_early();
    const TimePoint now = ca_end + Seconds(86400);
    AuthorityPolicy rules = announcing();
    EXPECT_TRUE(may_return_to(state, next_pin, rules, now)) << "its end has not come";
    EXPECT_FALSE(may_return_to(state, next_pin, rules, next_ca().not_after));
    EXPECT_FALSE(may_return_to(state, pin, rules, now)) << "it has ended";
    EXPECT_FALSE(may_return_to(state, Bytes(32, 0xDD), rules, now)) << "it was never trusted";
    EXPECT_FALSE(may_return_to({}, next_pin, rules, now));
    rules.clock_trusted = false;
    EXPECT_FALSE(may_return_to(state, next_pin, rules, now));
    EXPECT_EQ(step(state, AuthorityFetched{next_ca()}, rules, now).state.current, state.current);
}

TEST(AuthorityStep, K10_ROLL_8_under_other_pins_the_way_back_leaves_no_successor) {
    AuthorityPolicy rules = announcing();
    rules.pinned.push_back(Bytes(32, 0xDD));
    AuthorityState early = gone_over_early();
    rules.pinned.insert(rules.pinned.begin(), early.current->anchor_fingerprint);
    const AuthorityState back = step(early, AuthorityFetched{next_ca()}, rules, ca_end + Seconds(86400)).state;
    EXPECT_EQ(back.current->anchor, Bytes{2});
    EXPECT_FALSE(back.next) << "an operator has changed what is trusted";
}

AuthorityPolicy operator_decides() {
    AuthorityPolicy rules = announcing();
    rules.operator_accepts = true;
    return rules;
}

AuthorityTransition announced() {
    return step(in_office(), SuccessorFetched{next_ca()}, operator_decides(), ca_end - Seconds(86400L * 70));
}

TEST(AuthorityStep, ROLL_8_invariant_10_under_operator_a_verified_successor_is_a_candidate_and_not_trusted) {
    const auto transition = announced();
    EXPECT_EQ(transition.state.phase, AuthorityPhase::trusted);
    EXPECT_FALSE(transition.state.next);
    ASSERT_TRUE(transition.state.candidate);
    EXPECT_EQ(transition.state.candidate->anchor_fingerprint, next_pin);
    EXPECT_FALSE(facts_of(transition.state, start).next) << "no identity asks it for a shadow";
    EXPECT_TRUE(facts_of(transition.state, start).overlaps.empty()) << "no consumer trusts it";
    EXPECT_NE(transition.note.find("BB:BB"), std::string::npos);
    const auto end = step(transition.state, AuthorityTick{}, operator_decides(), ca_end);
    EXPECT_EQ(end.state.current->anchor_fingerprint, pin) << "nor does it take over";
    const auto shown = step(transition.state, SuccessorInOffice{next_ca()}, operator_decides(), start);
    EXPECT_EQ(shown.state, transition.state);
}

TEST(AuthorityStep, ROLL_8_invariant_11_a_candidate_is_told_at_once_weekly_and_at_the_end_daily) {
    const auto first = announced();
    EXPECT_TRUE(first.alert);
    EXPECT_NE(candidate_text(first.state, "corp").find("'hwenroll ca accept-next corp'"), std::string::npos);
    EXPECT_NE(candidate_text(first.state, "corp").find("SHA256:BB:BB"), std::string::npos);
    EXPECT_EQ(candidate_text(in_office(), "corp"), "");
    AuthorityState state = first.state;
    std::vector<TimePoint> told;
    for (TimePoint now = ca_end - Seconds(86400L * 70); now < ca_end; now += Seconds(3600)) {
        const auto due = next_due(state, operator_decides());
        auto transition = step(state, AuthorityTick{}, operator_decides(), now);
        if (transition.alert) {
            EXPECT_LE(due.value(), now);
            told.push_back(now);
        }
        state = std::move(transition.state);
    }
    EXPECT_GE(told.size(), 7U + 7U);
    EXPECT_LE(told.size(), 8U + 8U);
    const auto again = step(state, SuccessorFetched{next_ca()}, operator_decides(), ca_end);
    EXPECT_EQ(again.note, "") << "the same one is no news";
}

TEST(AuthorityStep, ROLL_8_an_operator_s_word_makes_the_candidate_the_successor) {
    const auto accepted = step(announced().state, SuccessorAccepted{}, operator_decides(), start);
    EXPECT_EQ(accepted.state.phase, AuthorityPhase::next_known);
    EXPECT_EQ(accepted.state.next->anchor_fingerprint, next_pin);
    EXPECT_EQ(accepted.state.next->generation, 2U);
    EXPECT_FALSE(accepted.state.candidate);
    EXPECT_FALSE(accepted.state.candidate_told_at);
    EXPECT_NE(accepted.note.find("accepted by an operator"), std::string::npos);
    const auto known = step(accepted.state, SuccessorFetched{next_ca()}, operator_decides(), start);
    EXPECT_EQ(known.state, accepted.state) << "what was accepted is not asked about again";
}

TEST(AuthorityStep, ROLL_8_ROLL_14_a_candidate_that_is_accepted_after_the_ca_s_end_takes_over_at_once) {
    const auto accepted = step(announced().state, SuccessorAccepted{}, operator_decides(), ca_end + Seconds(5));
    const auto tick = step(accepted.state, AuthorityTick{}, operator_decides(), ca_end + Seconds(5));
    EXPECT_EQ(tick.state.phase, AuthorityPhase::switched);
    EXPECT_EQ(tick.state.current->anchor_fingerprint, next_pin);
}

TEST(AuthorityStep, ROLL_8_without_a_candidate_an_operator_s_word_changes_nothing) {
    EXPECT_EQ(step(in_office(), SuccessorAccepted{}, operator_decides(), start).state, in_office());
    EXPECT_EQ(step({}, SuccessorAccepted{}, operator_decides(), start).state, AuthorityState{});
    AuthorityPolicy other = operator_decides();
    other.pinned = {Bytes(32, 0xEE)};
    const AuthorityState waiting = announced().state;
    EXPECT_EQ(step(waiting, SuccessorAccepted{}, other, start).state, waiting) << "the CA itself counts no more";
}

TEST(AuthorityStep, C20_ROLL_8_another_successor_than_the_accepted_one_is_a_candidate_again) {
    const AuthorityState accepted = step(announced().state, SuccessorAccepted{}, operator_decides(), start).state;
    const AuthorityRecord second = authority(3, second_pin, ca_end, ca_end + Seconds(86400));
    const auto other = step(accepted, SuccessorFetched{second}, operator_decides(), start);
    EXPECT_EQ(other.state.next->anchor_fingerprint, next_pin) << "the accepted one stays";
    EXPECT_EQ(other.state.candidate->anchor_fingerprint, second_pin);
    EXPECT_TRUE(other.alert);
    const auto back = step(other.state, SuccessorFetched{next_ca()}, operator_decides(), start);
    EXPECT_FALSE(back.state.candidate) << "announced no more";
    const auto taken = step(other.state, SuccessorAccepted{}, operator_decides(), start);
    EXPECT_EQ(taken.state.next->anchor_fingerprint, second_pin);
}

TEST(AuthorityStep, ROLL_8_under_another_rule_a_candidate_is_the_successor_when_it_is_announced_again) {
    const auto again = step(announced().state, SuccessorFetched{next_ca()}, announcing(), start);
    EXPECT_EQ(again.state.next->anchor_fingerprint, next_pin);
    EXPECT_FALSE(again.state.candidate);
}

TEST(AuthorityStep, ROLL_8_a_candidate_goes_with_the_ca_that_announced_it) {
    AuthorityPolicy other = operator_decides();
    other.pinned = {Bytes(32, 0xEE)};
    EXPECT_FALSE(step(announced().state, AuthorityNeeded{}, other, start).state.candidate);
}

}  // namespace
}  // namespace hwenroll::lifecycle
