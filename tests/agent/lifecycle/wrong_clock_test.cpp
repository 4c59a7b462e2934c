// What a clock that was wrong leaves behind in a state (K1 to K3): found by tests/simulation.
#include <algorithm>

#include <gtest/gtest.h>

#include "agent/lifecycle/authority_state.h"
#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {
namespace {

constexpr TimePoint start{Seconds(1'800'000'000)};
constexpr Seconds hour{3600};
constexpr Seconds day{86400};
constexpr Seconds year = 365 * day;

IssuedRecord issued_at(TimePoint begin, std::uint8_t serial) {
    return {{0x30, serial}, {}, {{0x32}}, begin, begin + 90 * day};
}

/// An identity whose published certificate has 90 days, at `start`.
struct Machine {
    IdentityState state = {};
    std::vector<Effect> effects = {};
    Policy policy = {};
    std::uint8_t drawn = 1;

    Machine() {
        policy.configuration_mark = policy.request_mark = {1};
        state.phase = Phase::valid;
        state.last_generation = 1;
        state.current = Credential{{{0xAA}, {0xAB}}, issued_at(start, 1), 1, start, 0};
    }
    Machine& on(TimePoint now, const Event& event) {
        Draw draw;
        draw.identifier.fill(drawn++);
        auto transition = step(state, event, draw, policy, now);
        state = std::move(transition.state);
        effects = std::move(transition.effects);
        return *this;
    }
    /// To a renewal that failed at that time.
    Machine& failed_renewal(TimePoint now) {
        return on(now, RenewalWanted{}).on(now, EffectFailed{Error(ErrorCode::token_absent, "no token")});
    }
    template <class T>
    [[nodiscard]] bool does() const {
        return std::ranges::any_of(effects, [](const Effect& effect) { return std::holds_alternative<T>(effect); });
    }
};

TEST(WrongClock, K3_a_backoff_that_began_years_ahead_ends_when_the_clock_is_put_right) {
    Machine machine;
    machine.failed_renewal(start + 3 * year);
    ASSERT_GT(machine.state.wait.until, start + 3 * year);
    machine.on(start + hour, Due{});
    EXPECT_TRUE(machine.does<MakeKey>());
}

TEST(WrongClock, K3_a_backoff_that_began_hours_ahead_ends_too) {
    Machine machine;
    machine.failed_renewal(start + 5 * hour).on(start + hour, Due{});
    EXPECT_TRUE(machine.does<MakeKey>());
}

TEST(WrongClock, K3_a_backoff_of_the_right_clock_lasts) {
    Machine machine;
    machine.failed_renewal(start + hour).on(start + hour + Seconds(1), Due{});
    EXPECT_FALSE(machine.does<MakeKey>());
}

TEST(WrongClock, K3_a_hold_that_began_years_ahead_is_released) {
    Machine machine;
    machine.on(start + 3 * year, EnrollmentWanted{})
        .on(start + 3 * year, EffectFailed{Error(ErrorCode::token_key_policy, "extractable")});
    ASSERT_TRUE(machine.state.hold);
    machine.on(start + hour, Due{});
    EXPECT_FALSE(machine.state.hold);
}

TEST(WrongClock, K1_nothing_is_forgotten_by_a_clock_that_is_not_trusted) {
    Machine machine;
    machine.failed_renewal(start + 3 * year);
    const TimePoint until = machine.state.wait.until;
    machine.policy.clock_trusted = false;
    machine.on(start - 30 * year, Due{});
    EXPECT_EQ(machine.state.wait.until, until);
}

TEST(WrongClock, K3_the_successor_is_sought_again) {
    Machine machine;
    machine.policy.authority.anchor = {0x32};
    machine.policy.authority.not_before = start - year;
    machine.policy.authority.not_after = start + 90 * day;
    machine.state.seek_after = start + 3 * year;
    machine.on(start + hour, Due{});
    EXPECT_EQ(next_due(machine.state, machine.policy), renewal_time(machine.state, machine.policy));
}

TEST(WrongClock, K3_a_publication_and_a_delivery_that_were_put_off_for_years_are_tried) {
    Machine machine;
    machine.state.next = Credential{{{0xBA}, {0xBB}}, issued_at(start + day, 2), 2, {}, 0};
    machine.state.publish_after = start + 3 * year;
    machine.on(start + day, Due{});
    EXPECT_TRUE(machine.does<PublishGeneration>());

    Machine delivering;
    delivering.state.delivery = Delivery{1, 3, start + 3 * year};
    delivering.on(start + day, Due{});
    EXPECT_TRUE(delivering.does<Deliver>());
}

TEST(WrongClock, K2_invariant_11_an_alert_of_a_clock_that_was_ahead_silences_none) {
    Machine machine;
    machine.state.alerted_at = start + 3 * year;
    machine.policy.new_key = KeyRule::reuse;
    machine.on(start + 80 * day, Due{});
    EXPECT_TRUE(machine.does<RaiseAlert>());
}

TEST(WrongClock, K2_a_key_that_was_retired_years_ahead_goes_after_retire_after) {
    Machine machine;
    machine.state.retired = {{{{0xCC}, {0xCD}}, start + 3 * year + day}};
    machine.on(start + hour, Due{});
    ASSERT_EQ(machine.state.retired.size(), 1U);
    EXPECT_EQ(machine.state.retired[0].destroy_at, start + hour + machine.policy.retire_after);
}

TEST(WrongClock, K1_a_clock_that_is_not_trusted_says_not_when_a_key_may_go) {
    Machine machine;
    machine.policy.clock_trusted = false;
    machine.policy.delivers = true;
    machine.state.retired = {{{{0xCC}, {0xCD}}, std::nullopt}};
    machine.state.delivery = Delivery{1, 0, {}};
    machine.on(TimePoint{}, Delivered{1});
    EXPECT_FALSE(machine.state.delivery);
    ASSERT_EQ(machine.state.retired.size(), 1U);
    EXPECT_FALSE(machine.state.retired[0].destroy_at);

    machine.policy.clock_trusted = true;
    EXPECT_LE(*next_due(machine.state, machine.policy), start) << "it is looked at as soon as the clock is trusted";
    machine.on(start + day, Due{});
    EXPECT_FALSE(machine.does<DestroyKey>());
    EXPECT_EQ(machine.state.retired[0].destroy_at, start + day + machine.policy.retire_after);
    machine.on(start + day + machine.policy.retire_after, Due{});
    EXPECT_TRUE(machine.does<DestroyKey>());
}

AuthorityRecord authority(std::uint8_t number, TimePoint begin, TimePoint end) {
    AuthorityRecord record;
    record.certificates = {{0xC0, number}};
    record.anchor = {0xC0, number};
    record.anchor_fingerprint = {number};
    record.not_before = begin;
    record.not_after = end;
    return record;
}

/// Three generations of a CA, of which a clock that was ahead has left the second for the third. The first is pinned.
struct Succession {
    AuthorityRecord first = authority(1, start - year, start);
    AuthorityRecord second = authority(2, start, start + year);
    AuthorityRecord third = authority(3, start + year, start + 2 * year);
    AuthorityPolicy rules;
    AuthorityState state;

    Succession() {
        rules.pinned = {{1}};
        rules.announces_successor = true;
        on(start - day, AuthorityFetched{first}).on(start - day, SuccessorFetched{second}).on(start, AuthorityTick{});
        on(start + hour, AuthorityFetched{second}).on(start + hour, SuccessorFetched{third});
        on(start + 3 * year, AuthorityTick{});
    }
    Succession& on(TimePoint now, const AuthorityEvent& event) {
        state = step(state, event, rules, now).state;
        return *this;
    }
};

TEST(WrongClock, K10_a_ca_that_was_left_too_early_and_answers_again_is_not_left_any_more) {
    Succession ca;
    ASSERT_EQ(facts_of(ca.state, start).anchor, ca.third.anchor);
    ASSERT_TRUE(may_return_to(ca.state, {2}, ca.rules, start + day));
    ca.on(start + day, AuthorityFetched{ca.second});
    const AuthorityFacts facts = facts_of(ca.state, start + day);
    EXPECT_EQ(facts.anchor, ca.second.anchor);
    EXPECT_EQ(facts.left, std::vector<Bytes>{ca.first.anchor}) << "identities would enroll anew without end";
    EXPECT_EQ(step(ca.state, AuthorityNeeded{}, ca.rules, start + day).state.phase, AuthorityPhase::switched)
        << "it is as trusted as before";
}

TEST(WrongClock, invariant_10_there_is_no_way_back_to_a_ca_whose_end_has_come_or_that_the_operator_left) {
    Succession ca;
    EXPECT_FALSE(may_return_to(ca.state, {1}, ca.rules, start + day)) << "it has ended";
    EXPECT_FALSE(may_return_to(ca.state, {9}, ca.rules, start + day)) << "it was never trusted";
    EXPECT_FALSE(may_return_to(ca.state, {2}, ca.rules, start + year));
    ca.rules.clock_trusted = false;
    EXPECT_FALSE(may_return_to(ca.state, {2}, ca.rules, start + day));
    ca.rules.clock_trusted = true;
    EXPECT_TRUE(may_return_to(ca.state, {2}, ca.rules, start + day)) << "its end has not come";
    EXPECT_FALSE(may_return_to({}, {2}, ca.rules, start + day));
}

TEST(WrongClock, K10_consumers_are_led_back_from_a_certificate_that_is_not_valid_yet) {
    Machine machine;
    machine.state.current = Credential{{{0xAA}, {0xAB}}, issued_at(start + year, 1), 1, start, 0};
    machine.on(start + day, Due{}).on(start + day, KeyReady{{0xBB}}).on(start + day, RequestPrepared{});
    ASSERT_TRUE(machine.does<SendRequest>());
    EXPECT_EQ(machine.state.enrollment->purpose, Purpose::reenrollment);
    machine.on(start + day, CertificateIssued{issued_at(start + day, 2)});
    EXPECT_TRUE(machine.does<PublishGeneration>());
}

TEST(WrongClock, K1_a_certificate_is_not_taken_for_early_by_a_clock_that_is_not_trusted) {
    Machine machine;
    machine.policy.clock_trusted = false;
    machine.on(TimePoint{}, Due{});
    EXPECT_TRUE(machine.effects.empty());
}

TEST(WrongClock, K10_C9_a_certificate_that_is_past_its_renewal_point_when_it_comes_is_not_renewed_at_once) {
    Machine machine;
    const TimePoint late = start + 80 * day;
    machine.state.current->published_at = late;
    EXPECT_EQ(renewal_time(machine.state, machine.policy), late + 90 * day / 50);
    machine.state.current->published_at = start + 89 * day;
    EXPECT_EQ(renewal_time(machine.state, machine.policy), start + 89 * day + day / 2) << "half of what is left";
    machine.on(start + 10 * day, Due{});
    EXPECT_EQ(machine.state.current->published_at, start + 10 * day) << "a clock that was ahead wrote that";
}

// What a machine finds that slept over the end of its CA.

TEST(Rollover, invariant_3_a_shadow_takes_over_from_an_expired_certificate_whoever_hears_of_the_rollover_first) {
    Machine machine;
    machine.policy.authority.anchor = {0x32};
    machine.policy.authority.not_before = start - year;
    machine.policy.authority.not_after = start + 90 * day;
    machine.policy.authority.next = AuthorityFacts::Successor{{0x33}, start + 90 * day};
    machine.state.shadow = Shadow{{{{0xBA}, {0xBB}}, issued_at(start + 90 * day, 2), 0, {}, 0}, {0x33}};
    machine.on(start + 91 * day, Due{});
    EXPECT_TRUE(machine.does<PublishGeneration>());
    EXPECT_FALSE(machine.state.enrollment);
}

TEST(Rollover, invariant_3_a_shadow_never_follows_a_certificate_of_its_ca_that_lasts_longer) {
    Machine machine;
    machine.policy.authority.anchor = {0x32};
    machine.policy.authority.not_after = start + 10 * year;
    IssuedRecord shorter = issued_at(start - day, 2);
    machine.state.shadow = Shadow{{{{0xBA}, {0xBB}}, shorter, 0, {}, 0}, {0x32}};
    machine.on(start + hour, Due{});
    EXPECT_FALSE(machine.does<PublishGeneration>());
    EXPECT_FALSE(machine.state.shadow);
    EXPECT_TRUE(machine.does<DestroyKey>());
}

// Not of a wrong clock, but found with it: a time that is over must not be due for ever.

TEST(NextDue, invariant_11_a_shadow_that_waits_for_its_ca_is_no_reason_to_look_every_minute) {
    Machine machine;
    machine.policy.authority.anchor = {0x32};
    machine.policy.authority.not_before = start - year;
    machine.policy.authority.not_after = start + 90 * day;
    machine.policy.authority.next = AuthorityFacts::Successor{{0x33}, start + 90 * day};
    machine.state.shadow = Shadow{{{{0xBA}, {0xBB}}, issued_at(start + 90 * day, 2), 0, {}, 0}, {0x33}};
    machine.on(start + 80 * day, Due{});
    EXPECT_TRUE(machine.effects.empty());
    EXPECT_EQ(next_due(machine.state, machine.policy), start + 90 * day);
}

TEST(NextDue, invariant_11_an_expiry_that_was_told_is_due_no_more) {
    Machine machine;
    machine.on(start + 91 * day, Due{}).on(start + 91 * day, EffectFailed{Error(ErrorCode::token_absent, "no token")});
    ASSERT_EQ(machine.state.alerted_at, start + 91 * day);
    EXPECT_EQ(next_due(machine.state, machine.policy), machine.state.wait.until);
}

}  // namespace
}  // namespace hwenroll::lifecycle
