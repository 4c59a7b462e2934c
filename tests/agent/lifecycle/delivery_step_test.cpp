// What is kept of a delivery that failed, what clears it, and what consumers are known to use meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

using testing::HasSubstr;

Delivered failed(std::uint64_t generation, ErrorCode code = ErrorCode::hook_failed) {
    return {generation, Error(code, "a hook of 'on_change' failed", "/bin/false exited with 1")};
}

/// A published certificate whose consumers were told.
Walk& to_told(Walk& walk) {
    walk.rules.delivers = true;
    return walk.to_valid().on(Delivered{1});
}

/// The certificate after it, of which they were not told yet.
Walk& to_untold(Walk& walk) {
    return to_told(walk)
        .due_at(start + 18 * hour)
        .send()
        .on(CertificateIssued{certificate(0x31, start + 18 * hour, day)});
}

TEST(DeliveryStep, O1_a_failed_delivery_is_remembered_with_its_cause_since_when_and_how_often) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid();
    EXPECT_FALSE(is_undelivered(walk.state, walk.now)) << "it is told just now";
    walk.on(failed(1));
    ASSERT_TRUE(is_undelivered(walk.state, walk.now));
    const TimePoint since = walk.now;
    walk.due_at(walk.state.delivery->next_try).on(failed(1, ErrorCode::verify_failed));
    const DeliveryFailure& kept = walk.state.delivery->failure.value();
    EXPECT_EQ(kept.code, ErrorCode::verify_failed) << "the last one";
    EXPECT_THAT(kept.line, HasSubstr("/bin/false exited with 1"));
    EXPECT_EQ(kept.since, since) << "the first one";
    EXPECT_EQ(kept.attempts, 2U);
    EXPECT_EQ(delivery_failures(walk.state), 2U);
}

TEST(DeliveryStep, O1_a_delivery_that_succeeds_clears_what_was_kept_of_those_that_failed) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().on(failed(1)).due_at(start + hour).on(Delivered{1});
    EXPECT_FALSE(walk.state.delivery);
    EXPECT_FALSE(is_undelivered(walk.state, walk.now));
    EXPECT_EQ(delivery_failures(walk.state), 0U);
    EXPECT_FALSE(walk.state.alerted_at);
}

TEST(DeliveryStep, O1_QRY_6_another_generation_is_told_at_once_and_does_not_hide_that_the_one_before_failed) {
    Walk walk;
    to_told(walk).rules.authority = ca_until(start + 50 * day);
    walk.rules.authority.crls = {{{0x31}, {}, {1}}};
    walk.due_at(start + minute).published();
    walk.on(failed(2));
    walk.due_at(walk.state.delivery->next_try).on(failed(2));
    ASSERT_EQ(delivery_failures(walk.state), 2U);
    walk.rules.authority.crls = {{{0x31}, {}, {2}}};
    walk.due_at(walk.now + Seconds(1)).published();
    ASSERT_TRUE(walk.only<Deliver>()) << "and no alert: it is not tried yet";
    EXPECT_EQ(walk.state.delivery->generation, 3U);
    EXPECT_EQ(delivery_failures(walk.state), 2U);
    EXPECT_EQ(walk.state.delivery->failure->since, start + minute);
    EXPECT_FALSE(is_undelivered(walk.state, walk.now)) << "whoever waits waits for this one";
    walk.on(failed(3));
    EXPECT_TRUE(is_undelivered(walk.state, walk.now));
    EXPECT_EQ(delivery_failures(walk.state), 3U);
    EXPECT_EQ(walk.state.delivery->next_try - walk.now, Seconds(30)) << "its own first pause";
    walk.due_at(walk.state.delivery->next_try).on(Delivered{3});
    EXPECT_FALSE(walk.state.delivery);
    EXPECT_FALSE(walk.state.alerted_at) << "what was told of the generation before is over too";
}

TEST(DeliveryStep, O4_what_consumers_are_known_to_use_is_the_certificate_of_the_last_delivery_that_succeeded) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid();
    EXPECT_FALSE(confirmed_end(walk.state)) << "nobody has taken anything yet";
    walk.on(failed(1));
    EXPECT_FALSE(confirmed_end(walk.state));
    walk.due_at(walk.state.delivery->next_try).on(Delivered{1});
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{certificate(0x31, start + 18 * hour, day)}).published();
    EXPECT_EQ(walk.state.current->issued.not_after, start + 42 * hour);
    EXPECT_EQ(confirmed_end(walk.state), start + day) << "the new one is published and nobody has taken it";
    walk.on(failed(2));
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    walk.due_at(walk.state.delivery->next_try).on(Delivered{2});
    EXPECT_EQ(confirmed_end(walk.state), start + 42 * hour);
}

TEST(DeliveryStep, O4_a_certificate_that_replaces_one_that_was_never_taken_leaves_the_confirmed_one_as_it_was) {
    Walk walk;
    to_untold(walk).published().on(failed(2)).due_at(start + 36 * hour).on(failed(2)).send();
    walk.on(CertificateIssued{certificate(0x32, start + 36 * hour, day)}).published();
    ASSERT_EQ(walk.state.delivery->generation, 3U);
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    EXPECT_EQ(delivery_failures(walk.state), 2U);
}

TEST(DeliveryStep, O4_without_consumers_the_published_certificate_counts_as_used) {
    Walk walk;
    walk.to_valid();
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    EXPECT_FALSE(confirmed_end(IdentityState{}));
}

TEST(DeliveryStep, O3_consumers_that_are_configured_away_are_told_no_more_and_what_was_replaced_may_go) {
    Walk walk;
    const Bytes old = to_told(walk).state.current->key.id;
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{certificate(0x31, start + 18 * hour, day)}).published();
    walk.on(failed(2));
    walk.rules.delivers = false;
    EXPECT_EQ(walk.due(), TimePoint{}) << "at once, whenever the next try would have been";
    walk.on(Started{2, 2, true});
    EXPECT_FALSE(walk.state.delivery);
    EXPECT_FALSE(walk.emits<Deliver>());
    EXPECT_FALSE(walk.state.alerted_at) << "of the delivery";
    EXPECT_EQ(walk.note, "no consumer is to be told any more");
    ASSERT_TRUE(walk.retired(old));
    EXPECT_EQ(walk.retired(old)->destroy_at, walk.now + walk.rules.retire_after);
    EXPECT_EQ(confirmed_end(walk.state), start + 42 * hour);
}

TEST(DeliveryStep, O3_an_operator_s_resume_tells_the_consumers_again_at_once) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().on(failed(1));
    for (int i = 0; i < 5; ++i) {
        walk.due_at(walk.state.delivery->next_try).on(failed(1));
    }
    ASSERT_GT(walk.state.delivery->next_try, walk.now + Seconds(10));
    walk.on(Resumed{});
    EXPECT_EQ(walk.note, "an operator has seen to the consumers");
    EXPECT_EQ(walk.due(), walk.now);
    EXPECT_FALSE(is_undelivered(walk.state, walk.now)) << "whoever waits waits for that try";
    walk.on(Due{});
    EXPECT_TRUE(walk.emits<Deliver>());
    const IdentityState under_way = walk.state;
    EXPECT_EQ(walk.on(Delivered{1}).on(Resumed{}).state.delivery, std::nullopt) << "nothing failed";
    walk.state = under_way;
    EXPECT_TRUE(is_undelivered(walk.on(failed(1)).state, walk.now));
}

TEST(DeliveryStep, O3_a_resume_ends_a_hold_and_tells_the_consumers_again) {
    Walk walk;
    to_untold(walk).published().on(failed(2));
    walk.due_at(start + 36 * hour).on(failed(2)).send().on(rejected(scep::FailInfo::bad_request));
    ASSERT_TRUE(walk.state.hold);
    ASSERT_GT(walk.state.delivery->next_try, walk.now);
    walk.on(Resumed{});
    EXPECT_FALSE(walk.state.hold);
    EXPECT_EQ(walk.state.delivery->next_try, walk.now);
}

TEST(DeliveryStep, O3_invariant_6_a_resume_does_not_end_the_wait_for_a_pin_that_is_still_the_refused_one) {
    Walk walk;
    to_untold(walk).published().on(failed(2));
    walk.due_at(start + 36 * hour).on(failed(2)).on(failure(ErrorCode::token_pin));
    ASSERT_EQ(walk.state.wait.reason, WaitingFor::pin);
    const Wait wait = walk.state.wait;
    walk.on(Resumed{true});
    EXPECT_EQ(walk.state.wait, wait);
    EXPECT_EQ(walk.state.delivery->next_try, walk.now) << "the consumers are told all the same";
    walk.on(Resumed{false});
    EXPECT_NE(walk.state.wait, wait);
}

TEST(DeliveryStep, K3_a_clock_that_went_back_does_not_leave_a_failure_in_the_future) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().at(start + hour).on(failed(1)).due_at(start + minute);
    ASSERT_TRUE(walk.state.delivery->failure);
    EXPECT_LE(walk.state.delivery->failure->since, walk.now);
}

TEST(DeliveryStep, O10_nobody_knows_whether_consumers_use_a_certificate_that_the_state_does_not_know) {
    Walk walk;
    to_told(walk);
    const KeyRecord key{Bytes(16, 3), {9}};
    walk.on(PublishedFound{key, certificate(0x33, start, 2 * day), 5});
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    walk.published();
    EXPECT_EQ(confirmed_end(walk.state), start + day);
    ASSERT_TRUE(walk.only<Deliver>());
    walk.on(Delivered{walk.effect<Deliver>().generation});
    EXPECT_EQ(confirmed_end(walk.state), start + 2 * day);
}

}  // namespace
}  // namespace hwenroll::lifecycle
