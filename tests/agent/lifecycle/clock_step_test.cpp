// What a clock that is not trusted blocks, and what it does not; and clocks that went back (K1 to K3).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

IssuedRecord renewed() {
    return certificate(0x33, start + 18 * hour, day);
}

TEST(ClockStep, K1_an_untrusted_clock_destroys_no_key_and_does_not_spin_over_it) {
    Walk walk;
    walk.rules.retire_after = hour;
    walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
    walk.rules.clock_trusted = false;
    walk.due_at(start + 20 * hour);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.clock_trusted = true;
    EXPECT_LE(walk.due(), walk.now);
    EXPECT_TRUE(walk.on(Due{}).only<DestroyKey>());
}

TEST(ClockStep, K1_an_untrusted_clock_takes_no_working_certificate_from_consumers) {
    Walk walk;
    walk.to_renewal_sent();
    walk.rules.clock_trusted = false;
    walk.on(CertificateIssued{renewed()});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::clock) << "invariant 8: it is visible";
    walk.rules.clock_trusted = true;
    EXPECT_TRUE(walk.on(Due{}).only<PublishGeneration>());
}

TEST(ClockStep, K1_an_untrusted_clock_does_not_switch_to_a_shadow_and_enrolls_nothing_instead) {
    Walk walk;
    walk.to_shadow();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_after_switch(start + day);
    walk.due_at(start + day);
    EXPECT_TRUE(walk.state.shadow);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_FALSE(walk.emits<PublishGeneration>());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.clock_trusted = true;
    EXPECT_TRUE(walk.on(Due{}).emits<PublishGeneration>());
}

TEST(ClockStep, K1_an_untrusted_clock_takes_no_anchor_away_but_adds_one) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish().published();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.on(Due{});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.authority = ca_with_successor(start + 10 * day, next_successor);
    walk.on(Due{});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, next_successor, successor}));
}

TEST(ClockStep, K1_a_new_certificate_under_an_untrusted_clock_keeps_the_anchors_that_are_shown) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish().published().due_at(start + 18 * hour).send();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.on(CertificateIssued{renewed()});
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, successor}));
}

TEST(ClockStep, K1_an_untrusted_clock_publishes_a_first_certificate_and_tells_consumers) {
    Walk walk;
    walk.rules.clock_trusted = false;
    walk.rules.delivers = true;
    EXPECT_TRUE(walk.to_publish().only<PublishGeneration>());
    EXPECT_TRUE(walk.on(GenerationPublished{1}).only<Deliver>());
}

TEST(ClockStep, K1_an_untrusted_clock_repairs_what_consumers_see) {
    Walk walk;
    walk.to_valid().rules.clock_trusted = false;
    EXPECT_TRUE(walk.on(Started{1, 1, false}).only<PublishGeneration>());
}

TEST(ClockStep, K1_K10_an_untrusted_clock_renews_polls_and_alerts) {
    Walk walk;
    walk.rules.clock_trusted = false;
    walk.to_valid().due_at(start + 18 * hour);
    EXPECT_TRUE(walk.only<MakeKey>());
    walk.send().on(RequestPending{}).due_at(start + 19 * hour);
    EXPECT_TRUE(walk.emits<SendPoll>());
    EXPECT_TRUE(walk.emits<RaiseAlert>());
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_lengthen_a_backoff_or_a_poll) {
    for (const bool pending : {false, true}) {
        Walk walk;
        walk.to_sent();
        walk.at(start + 4000 * day);
        if (pending) {
            walk.on(RequestPending{});
        } else {
            walk.on(failure(ErrorCode::ca_timeout));
        }
        walk.due_at(start);
        ASSERT_LE(walk.due(), start + day);
        walk.due_at(*walk.due());
        EXPECT_EQ(walk.effects.size(), 1U);
    }
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_lengthen_a_hold) {
    Walk walk;
    walk.to_sent().at(start + 4000 * day).on(rejected(scep::FailInfo::bad_request)).due_at(start);
    ASSERT_LE(walk.due(), start + day);
    EXPECT_TRUE(walk.due_at(walk.state.wait.until).emits<PrepareRequest>());
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_put_a_publication_or_a_delivery_off) {
    Walk publishing;
    publishing.to_publish().at(start + 4000 * day).on(PublicationFailed{Error(ErrorCode::publish_write, "full")});
    publishing.due_at(start);
    EXPECT_LE(publishing.due(), start + day);
    Walk delivering;
    delivering.rules.delivers = true;
    delivering.to_valid().at(start + 4000 * day).on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    delivering.due_at(start);
    EXPECT_LE(delivering.state.delivery->next_try, start + hour);
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_keep_a_retired_key_for_years) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
    walk.state.retired.at(0).destroy_at = start + 4000 * day;
    walk.on(Due{});
    EXPECT_EQ(walk.state.retired.at(0).destroy_at, walk.now + day);
}

TEST(ClockStep, K3_SM_11_a_clock_that_went_back_does_not_keep_an_undecided_request_for_years) {
    Walk walk;
    walk.to_submit().at(start + 4000 * day).on(RequestPrepared{prepared()}).on(RequestPending{}).due_at(start);
    walk.due_at(start + 8 * day);
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(ClockStep, K2_a_step_forward_deletes_nothing) {
    Walk walk;
    walk.to_shadow();
    const IdentityState before = walk.state;
    walk.rules.clock_trusted = false;
    walk.due_at(start + 4000 * day);
    EXPECT_EQ(walk.state.shadow, before.shadow);
    EXPECT_EQ(walk.state.current, before.current);
    EXPECT_EQ(walk.state.retired, before.retired);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    EXPECT_FALSE(walk.emits<PublishGeneration>());
}

}  // namespace
}  // namespace hwenroll::lifecycle
