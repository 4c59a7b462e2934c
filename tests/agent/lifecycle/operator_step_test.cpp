// The rows of the identity machine that operators cause: wishes, cancelled attempts, revoked certificates (O6, O7, O11,
// SM-18).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

TEST(OperatorStep, a_renewal_that_is_wanted_begins_before_its_time) {
    Walk walk;
    walk.to_valid().on(RenewalWanted{});
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    EXPECT_TRUE(walk.state.enrollment->forced);
    EXPECT_EQ(walk.state.wish, Wish::nothing);
}

TEST(OperatorStep, O6_twenty_wishes_are_one_renewal) {
    Walk walk;
    walk.to_valid().on(RenewalWanted{}).send().on(failure(ErrorCode::ca_timeout));
    const Enrollment before = *walk.state.enrollment;
    for (int i = 0; i < 20; ++i) {
        walk.on(RenewalWanted{});
        EXPECT_TRUE(walk.effects.empty());
    }
    EXPECT_EQ(walk.state.enrollment, before);
    EXPECT_EQ(walk.state.wish, Wish::nothing);
}

TEST(OperatorStep, O11_a_rekey_takes_a_new_key_whatever_new_key_says) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_valid().on(RenewalWanted{true});
    EXPECT_TRUE(walk.only<MakeKey>());
}

TEST(OperatorStep, O11_a_rekey_takes_the_current_key_away_from_a_request_that_waits) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_valid().on(RenewalWanted{}).send().on(failure(ErrorCode::ca_timeout));
    ASSERT_EQ(walk.state.enrollment->key, walk.state.current->key);
    walk.on(RenewalWanted{true});
    EXPECT_NE(walk.state.enrollment->key.id, walk.state.current->key.id);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_TRUE(walk.only<MakeKey>());
}

TEST(OperatorStep, a_wish_ends_a_hold) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_request)).on(RenewalWanted{});
    EXPECT_FALSE(walk.state.hold);
    EXPECT_TRUE(walk.only<PrepareRequest>());
}

TEST(OperatorStep, an_enrollment_that_is_wanted_is_one_with_a_challenge) {
    Walk walk;
    walk.to_valid().on(EnrollmentWanted{});
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(OperatorStep, an_enrollment_that_is_wanted_takes_the_place_of_a_renewal_that_is_held) {
    Walk walk;
    walk.to_renewal_sent().on(rejected(scep::FailInfo::bad_request)).on(EnrollmentWanted{});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
    EXPECT_TRUE(walk.state.enrollment->forced);
}

TEST(OperatorStep, invariant_4_an_enrollment_that_is_wanted_does_not_end_a_pending_request) {
    Walk walk;
    walk.to_renewal_sent().on(RequestPending{});
    const Enrollment before = *walk.state.enrollment;
    walk.on(EnrollmentWanted{});
    EXPECT_EQ(walk.state.enrollment, before);
    EXPECT_TRUE(walk.effects.empty());
}

TEST(OperatorStep, O6_a_wish_ends_the_wait_for_a_pin) {
    Walk walk;
    walk.on(Started{}).on(failure(ErrorCode::token_pin));
    ASSERT_EQ(walk.state.wait.reason, WaitingFor::pin);
    const KeyRecord key = walk.state.enrollment->key;
    walk.on(EnrollmentWanted{});
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::timer);
    EXPECT_EQ(walk.state.wait.until, walk.now + Seconds(1));
    EXPECT_EQ(walk.state.enrollment->key, key) << "the enrollment is the same";
}

TEST(OperatorStep, a_capped_certificate_that_is_to_be_renewed_is_renewed_by_the_ca_that_there_is) {
    Walk walk;
    walk.rules.authority = ca_until(start + day);
    walk.to_valid().on(RenewalWanted{}).send();
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    walk.on(CertificateIssued{certificate(0x33, start, day)});
    EXPECT_TRUE(walk.only<PublishGeneration>()) << "it ends no later, and that is what was asked for";
}

TEST(OperatorStep, a_wish_while_a_certificate_is_being_published_is_that_certificate) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{certificate(0x33, start + 18 * hour, day)});
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")}).on(RenewalWanted{});
    EXPECT_EQ(walk.state.wish, Wish::nothing);
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(OperatorStep, O7_a_cancelled_attempt_loses_its_request_and_keeps_its_key) {
    Walk walk;
    walk.to_renewal_sent().on(RequestPending{});
    const KeyRecord key = walk.state.enrollment->key;
    walk.on(Cancelled{});
    EXPECT_EQ(walk.state.hold->reason, HoldReason::cancelled);
    EXPECT_EQ(walk.state.enrollment->key, key);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_TRUE(walk.state.retired.empty());
    EXPECT_EQ(walk.state.phase, Phase::valid);
}

TEST(OperatorStep, O7_a_cancelled_attempt_is_not_resumed_by_an_expiry_but_by_its_time) {
    Walk walk;
    walk.to_valid().on(RenewalWanted{}).send().at(start + day - minute).on(Cancelled{});
    walk.due_at(start + day);
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_GT(walk.due(), walk.now);
    walk.due_at(walk.state.wait.until);
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(OperatorStep, O7_nothing_under_way_cannot_be_cancelled) {
    Walk walk;
    const IdentityState before = walk.to_valid().state;
    walk.on(Cancelled{});
    EXPECT_EQ(walk.state, before);
}

TEST(OperatorStep, SM_18_a_revoked_certificate_is_enrolled_anew_with_a_new_key) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_valid().on(CertificateRevoked{issued().leaf, "keyCompromise"});
    EXPECT_TRUE(walk.emits<MakeKey>());
    EXPECT_TRUE(walk.emits<RaiseAlert>());
    EXPECT_TRUE(walk.note.starts_with("the current certificate is revoked: keyCompromise; enrollment begun"))
        << walk.note;
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_EQ(walk.state.current->issued, issued()) << "invariant 1: what consumers use stays until there is another";
    walk.send().on(CertificateIssued{certificate(0x33, start, hour)});
    EXPECT_TRUE(walk.only<PublishGeneration>()) << "though it ends earlier";
    EXPECT_FALSE(walk.published().state.revoked);
}

TEST(OperatorStep, SM_18_a_renewal_with_the_key_of_a_revoked_certificate_takes_another_key) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_renewal_sent().on(failure(ErrorCode::ca_timeout)).on(CertificateRevoked{});
    EXPECT_TRUE(walk.only<RaiseAlert>());
    walk.due_at(walk.state.wait.until);
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_NE(walk.state.enrollment->key.id, walk.state.current->key.id);
}

TEST(OperatorStep, SM_18_a_held_renewal_of_a_revoked_certificate_goes_on_as_an_enrollment) {
    Walk walk;
    walk.to_renewal_sent().on(rejected(scep::FailInfo::bad_request)).on(CertificateRevoked{});
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
}

TEST(OperatorStep, SM_18_the_revocation_of_another_certificate_than_the_current_one_is_nothing) {
    Walk walk;
    const IdentityState before = walk.to_valid().state;
    EXPECT_EQ(walk.on(CertificateRevoked{{0x77}, "superseded"}).state, before);
    EXPECT_TRUE(walk.effects.empty());
}

TEST(OperatorStep, SM_18_a_certificate_is_revoked_once) {
    Walk walk;
    walk.to_valid().on(CertificateRevoked{});
    const IdentityState before = walk.state;
    EXPECT_EQ(walk.on(CertificateRevoked{}).state, before);
    Walk fresh;
    EXPECT_EQ(fresh.on(CertificateRevoked{}).state, IdentityState{}) << "there is none";
}

TEST(OperatorStep, SM_14_a_renewal_that_is_wanted_of_an_expired_certificate_is_an_enrollment) {
    Walk walk;
    walk.to_valid().at(start + day).on(RenewalWanted{});
    EXPECT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

}  // namespace
}  // namespace hwenroll::lifecycle
