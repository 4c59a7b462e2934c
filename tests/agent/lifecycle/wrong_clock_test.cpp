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
    machine.on(start + 3 * year, RenewalWanted{})
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

    EXPECT_LE(*next_due(machine.state, machine.policy), start) << "it is looked at as soon as the clock is trusted";
    machine.policy.clock_trusted = true;
    machine.on(start + day, Due{});
    EXPECT_FALSE(machine.does<DestroyKey>());
    EXPECT_EQ(machine.state.retired[0].destroy_at, start + day + machine.policy.retire_after);
    machine.on(start + day + machine.policy.retire_after, Due{});
    EXPECT_TRUE(machine.does<DestroyKey>());
}

TEST(WrongClock, K10_a_ca_that_was_left_too_early_and_answers_again_is_not_left_any_more) {
    AuthorityRecord first;
    first.certificates = {{0x32}};
    first.anchor = {0x32};
    first.anchor_fingerprint = {1};
    first.not_before = start - year;
    first.not_after = start + year;
    AuthorityRecord second = first;
    second.certificates = {{0x33}};
    second.anchor = {0x33};
    second.anchor_fingerprint = {2};
    second.not_before = first.not_after;
    second.not_after = first.not_after + 2 * year;
    AuthorityPolicy rules;
    rules.pinned = {{1}};
    rules.announces_successor = true;

    AuthorityState state = step({}, AuthorityFetched{first}, rules, start).state;
    state = step(state, SuccessorFetched{second}, rules, start).state;
    state = step(state, AuthorityTick{}, rules, start + 3 * year).state;
    ASSERT_EQ(facts_of(state, start).anchor, second.anchor);
    state = step(state, AuthorityFetched{first}, rules, start + hour).state;
    EXPECT_EQ(facts_of(state, start + hour).anchor, first.anchor);
    EXPECT_TRUE(facts_of(state, start + hour).left.empty()) << "identities would enroll anew without end";
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
