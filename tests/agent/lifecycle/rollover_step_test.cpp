// The rows of the identity machine that the CA's own rollover leads through (REN-1, ROLL-*, C19 to C21).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

const TimePoint ca_end = start + day;

IssuedRecord shadow_certificate() {
    return certificate(0x40, ca_end, 10 * day, successor);
}

TEST(RolloverStep, REN_1_a_certificate_that_the_ca_s_end_caps_is_not_renewed_but_a_successor_is_sought) {
    Walk walk;
    walk.rules.authority = ca_until(ca_end);
    walk.to_valid();
    EXPECT_EQ(walk.due(), start + 18 * hour);
    walk.due_at(start + 18 * hour);
    EXPECT_TRUE(walk.only<SeekSuccessor>());
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(RolloverStep, REN_1_a_certificate_that_ends_well_before_its_ca_is_renewed) {
    Walk walk;
    walk.rules.authority = ca_until(ca_end + Seconds(865));
    EXPECT_TRUE(walk.to_renewal().only<MakeKey>()) << "the tolerance is a hundredth of a day";
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
}

TEST(RolloverStep, ROLL_4_a_successor_that_is_not_there_is_sought_again_after_its_interval) {
    Walk walk;
    walk.rules.authority = ca_until(ca_end);
    walk.to_valid().due_at(start + 18 * hour).on(SuccessorSought{});
    EXPECT_FALSE(walk.emits<SeekSuccessor>());
    // The CA lives 100 days, so a hundredth of its life is a day, and the certificate ends before that.
    walk.rules.authority.not_before = ca_end - 50 * day;
    walk.state.seek_after = start + 18 * hour;
    walk.on(Due{});
    ASSERT_TRUE(walk.emits<SeekSuccessor>());
    EXPECT_EQ(walk.state.seek_after, start + 30 * hour);
}

TEST(RolloverStep, ROLL_4_K3_a_clock_that_went_back_does_not_put_the_search_off) {
    Walk walk;
    walk.rules.authority = ca_until(ca_end);
    walk.rules.authority.not_before = ca_end - 10 * day;
    walk.to_valid();
    walk.state.seek_after = start + 4000 * day;
    walk.due_at(start + 18 * hour);
    walk.due_at(start + 18 * hour + Seconds(8640));
    EXPECT_TRUE(walk.emits<SeekSuccessor>()) << "a hundredth of the CA's life later";
}

TEST(RolloverStep, ROLL_9_ROLL_10_a_known_successor_is_asked_for_a_shadow_signed_by_the_current_key) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour);
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::shadow);
    EXPECT_EQ(walk.state.enrollment->authority, successor);
    walk.on(KeyReady{{8}});
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::shadow);
}

TEST(RolloverStep, ROLL_14_a_shadow_is_kept_beside_the_current_certificate) {
    Walk walk;
    walk.to_shadow();
    ASSERT_TRUE(walk.state.shadow);
    EXPECT_EQ(walk.state.shadow->credential.issued, shadow_certificate());
    EXPECT_EQ(walk.state.shadow->authority, successor);
    EXPECT_EQ(walk.state.current->issued.leaf, issued().leaf);
    EXPECT_FALSE(walk.state.next);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.state.counters, Counters{});
}

TEST(RolloverStep, ROLL_14_at_the_switch_the_shadow_takes_over_and_the_old_key_is_retired) {
    Walk walk;
    walk.to_shadow();
    const Bytes old = walk.state.current->key.id;
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end);
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_FALSE(walk.state.shadow);
    walk.published();
    EXPECT_EQ(walk.state.current->issued.leaf, shadow_certificate().leaf);
    EXPECT_TRUE(walk.retired(old));
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(RolloverStep, ROLL_14_a_power_off_over_the_switch_switches_at_the_start) {
    Walk walk;
    walk.to_shadow();
    walk.rules.authority = ca_after_switch(ca_end);
    walk.at(ca_end + 3 * day).on(Started{2, 2, true});
    ASSERT_TRUE(walk.emits<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.leaf, shadow_certificate().leaf);
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(RolloverStep, ROLL_14_a_certificate_that_expires_at_the_switch_does_not_start_an_enrollment_beside_its_shadow) {
    Walk walk;
    walk.to_shadow().due_at(ca_end);
    EXPECT_FALSE(walk.state.enrollment) << "the CA has not been seen to switch yet";
    ASSERT_TRUE(walk.only<PublishGeneration>()) << "an expired certificate is worse than the successor's";
    EXPECT_EQ(walk.state.next->issued.leaf, shadow_certificate().leaf);
}

TEST(RolloverStep, ROLL_13_an_expired_certificate_waits_for_a_shadow_that_is_valid_soon) {
    Walk walk;
    walk.to_shadow();
    walk.state.shadow->credential.issued.not_before = ca_end + 10 * minute;
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_EQ(walk.due(), ca_end + minute) << "then the expiry is said aloud";
    walk.due_at(ca_end + 10 * minute);
    EXPECT_TRUE(walk.emits<PublishGeneration>());
}

TEST(RolloverStep, SM_14_an_expired_certificate_does_not_wait_for_a_shadow_that_is_valid_late) {
    Walk walk;
    walk.to_shadow();
    walk.state.shadow->credential.issued.not_before = ca_end + 3 * day;
    EXPECT_EQ(walk.due(), ca_end);
    walk.due_at(ca_end);
    EXPECT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_TRUE(walk.state.shadow);
}

TEST(RolloverStep, ROLL_13_a_shadow_is_never_used_before_it_is_valid_nor_is_its_predecessor_renewed_meanwhile) {
    Walk walk;
    walk.to_shadow();
    walk.state.shadow->credential.issued.not_before = start + 22 * hour;
    walk.rules.authority = ca_after_switch(start + 20 * hour);
    walk.due_at(start + 20 * hour).published();
    EXPECT_TRUE(walk.state.shadow);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_EQ(walk.due(), start + 22 * hour);
    EXPECT_TRUE(walk.due_at(start + 22 * hour).only<PublishGeneration>());
}

TEST(RolloverStep, ROLL_13_switch_at_now_publishes_a_shadow_that_is_valid_already) {
    for (const auto rule : {SwitchRule::now, SwitchRule::not_before}) {
        Walk walk;
        walk.rules.switch_at = rule;
        walk.rules.authority = ca_with_successor(ca_end);
        walk.to_publish().published().due_at(start + 18 * hour).send();
        walk.on(CertificateIssued{certificate(0x40, start + 18 * hour, 10 * day, successor)});
        ASSERT_TRUE(walk.only<PublishGeneration>());
        EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{successor, anchor}));
    }
}

TEST(RolloverStep, ROLL_13_switch_at_ca_expiry_keeps_a_shadow_that_is_valid_already) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send();
    walk.on(CertificateIssued{certificate(0x40, start + 18 * hour, 10 * day, successor)});
    EXPECT_TRUE(walk.state.shadow);
    EXPECT_TRUE(walk.effects.empty());
}

TEST(RolloverStep, ROLL_13_what_has_gone_over_before_its_ca_is_renewed_by_the_successor) {
    Walk walk;
    walk.rules.switch_at = SwitchRule::now;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send();
    walk.on(CertificateIssued{certificate(0x40, start + 18 * hour, 2 * hour + day, successor)}).published();
    ASSERT_EQ(walk.state.current->issued.leaf, Bytes{0x40});
    walk.on(RenewalWanted{});
    EXPECT_EQ(walk.purpose(), Purpose::shadow);
    EXPECT_EQ(walk.state.enrollment->authority, successor);
}

TEST(RolloverStep, rekey_while_a_shadow_is_ready_keeps_the_shadow_and_its_key) {
    Walk walk;
    walk.to_shadow();
    const Shadow shadow = *walk.state.shadow;
    walk.on(RenewalWanted{true});
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    walk.send(9).on(CertificateIssued{certificate(0x34, start + 18 * hour, 6 * hour)}).published();
    EXPECT_EQ(walk.state.current->issued.leaf, Bytes{0x34});
    EXPECT_EQ(walk.state.shadow, shadow);
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end).published();
    EXPECT_EQ(walk.state.current->key, shadow.credential.key);
}

TEST(RolloverStep, shadow_pending_across_the_switch_is_published_when_it_is_issued) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(RequestPending{});
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end).published();
    walk.due_at(std::max(walk.now, walk.state.wait.until));
    ASSERT_TRUE(walk.state.enrollment);
    EXPECT_EQ(walk.state.enrollment->transaction->id.value, "T1");
    EXPECT_EQ(walk.purpose(), Purpose::shadow);
    walk.on(CertificateIssued{shadow_certificate()});
    EXPECT_FALSE(walk.state.shadow);
    EXPECT_TRUE(walk.emits<PublishGeneration>());
}

TEST(RolloverStep, ROLL_17_a_shadow_request_that_is_refused_after_the_switch_becomes_an_enrollment) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(RequestPending{});
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end).published().on(rejected(scep::FailInfo::bad_cert_id));
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
}

TEST(RolloverStep, ROLL_17_no_shadow_at_the_switch_is_a_pkcs_req_to_the_new_ca) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_valid();
    walk.rules.authority = ca_after_switch(start + hour);
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.due_at(start + hour).published();
    ASSERT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    walk.send();
    EXPECT_FALSE(walk.state.enrollment->transaction->signer_key);
}

TEST(RolloverStep, ROLL_17_a_shadow_request_that_is_unanswered_at_the_switch_becomes_an_enrollment) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 20 * hour);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(failure(ErrorCode::ca_timeout));
    walk.rules.authority = ca_after_switch(start + 20 * hour);
    walk.due_at(start + 20 * hour).published();
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment) << "though the old certificate has not expired";
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(RolloverStep, ROLL_17_a_held_renewal_goes_on_as_an_enrollment_at_the_switch) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_renewal_sent().on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    walk.rules.authority = ca_after_switch(start + 19 * hour);
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.due_at(start + 19 * hour).published();
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(RolloverStep, a_second_rollover_before_the_first_is_done_replaces_the_shadow) {
    Walk walk;
    walk.to_shadow();
    const Bytes lost = walk.state.shadow->credential.key.id;
    walk.rules.authority = ca_with_successor(ca_end, next_successor);
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.on(Due{});
    EXPECT_FALSE(walk.state.shadow);
    EXPECT_TRUE(walk.retired(lost));
    walk.published();
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, lost);
    walk.on(KeyDestroyed{lost});
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.state.enrollment->authority, next_successor);
}

TEST(RolloverStep, C20_a_request_for_a_successor_that_was_replaced_ends_and_its_key_goes) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(failure(ErrorCode::ca_timeout));
    const Bytes lost = walk.state.enrollment->key.id;
    walk.rules.authority = ca_with_successor(ca_end, next_successor);
    walk.on(Due{}).published().due_at(walk.state.wait.until);
    ASSERT_TRUE(walk.emits<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, lost);
    walk.on(KeyDestroyed{lost});
    EXPECT_EQ(walk.state.enrollment->authority, next_successor);
}

TEST(RolloverStep, C20_a_hold_of_a_request_for_a_successor_that_was_replaced_ends) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    walk.rules.authority = ca_with_successor(ca_end, next_successor);
    walk.on(Due{}).published();
    EXPECT_NE(attempt_phase(walk.state), Phase::held);
}

TEST(RolloverStep, ROLL_11_a_shadow_with_the_current_key_that_is_lost_does_not_cost_that_key) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_shadow();
    const Bytes key = walk.state.current->key.id;
    ASSERT_EQ(walk.state.shadow->credential.key.id, key);
    walk.rules.authority = ca_with_successor(ca_end, next_successor);
    walk.on(Due{}).published();
    EXPECT_FALSE(walk.emits<DestroyKey>());
    walk.send().on(CertificateIssued{certificate(0x50, ca_end, 10 * day, next_successor)});
    ASSERT_TRUE(walk.state.shadow);
    // Later another key takes its place: it still has its time, and the shadow needs it.
    walk.on(RenewalWanted{true}).send(9).on(CertificateIssued{certificate(0x35, walk.now, 2 * day)}).published();
    ASSERT_NE(walk.state.current->key.id, key);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    ASSERT_TRUE(walk.retired(key));
    EXPECT_EQ(walk.retired(key)->destroy_at, walk.now + day);
}

TEST(RolloverStep, ROLL_14_a_renewal_under_way_ends_when_the_shadow_takes_over) {
    Walk walk;
    walk.to_shadow().on(RenewalWanted{}).send(9).on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    const Bytes key = walk.state.enrollment->key.id;
    walk.rules.authority = ca_after_switch(ca_end);
    walk.due_at(ca_end).published();
    EXPECT_EQ(walk.state.current->issued.leaf, shadow_certificate().leaf);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_FALSE(walk.state.hold);
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, key);
}

TEST(RolloverStep, SM_18_a_revoked_certificate_signs_no_shadow_request) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end);
    walk.to_publish().published().due_at(start + 18 * hour).send().on(failure(ErrorCode::ca_timeout));
    walk.on(CertificateRevoked{}).due_at(walk.state.wait.until);
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RolloverStep, FI_2_a_refused_shadow_request_of_an_expired_certificate_waits_for_the_switch_and_does_not_spin) {
    Walk walk;
    walk.rules.authority = ca_with_successor(ca_end + 10 * minute);
    walk.to_publish().published().due_at(start + 18 * hour).send();
    walk.at(ca_end).on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_TRUE(walk.only<RaiseAlert>());
    EXPECT_GT(walk.due(), walk.now);
}

TEST(RolloverStep, C21_a_ca_without_successor_is_asked_to_the_end_and_nothing_is_deleted) {
    Walk walk;
    walk.rules.authority = ca_until(ca_end);
    walk.to_valid().due_at(start + 18 * hour).on(SuccessorSought{});
    const Credential current = *walk.state.current;
    walk.due_at(ca_end);
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_EQ(walk.state.current, current);
    EXPECT_TRUE(walk.state.retired.empty());
}

TEST(RolloverStep, several_identities_of_one_ca_at_different_stages_each_come_over) {
    Walk ready;
    ready.to_shadow();
    Walk pending;
    pending.rules.authority = ca_with_successor(ca_end);
    pending.to_publish().published().due_at(start + 18 * hour).send().on(RequestPending{});
    Walk late;
    late.rules.authority = ca_with_successor(ca_end);
    late.to_publish().published();
    Walk unenrolled;
    unenrolled.rules.authority = ca_with_successor(ca_end);
    for (Walk* walk : {&ready, &pending, &late, &unenrolled}) {
        walk->rules.authority = ca_after_switch(ca_end);
        walk->due_at(ca_end).published();
    }
    EXPECT_EQ(ready.state.current->issued.leaf, shadow_certificate().leaf);
    EXPECT_TRUE(pending.emits<SendPoll>());
    EXPECT_EQ(late.purpose(), Purpose::reenrollment);
    EXPECT_EQ(unenrolled.purpose(), Purpose::first);
}

TEST(RolloverStep, invariant_3_a_shadow_that_ends_no_later_than_the_successor_s_certificate_in_use_is_dropped) {
    Walk walk;
    walk.to_shadow();
    const Bytes key = walk.state.shadow->credential.key.id;
    // By another way: an operator's enrollment after the switch, before the shadow was valid.
    walk.state.shadow->credential.issued.not_before = ca_end + hour;
    walk.rules.authority = ca_after_switch(ca_end);
    walk.at(ca_end - hour).on(EnrollmentWanted{});
    walk.send(9).on(CertificateIssued{certificate(0x41, ca_end - hour, 20 * day, successor)}).published();
    ASSERT_EQ(walk.state.current->issued.leaf, Bytes{0x41});
    EXPECT_FALSE(walk.state.shadow);
    EXPECT_TRUE(walk.retired(key));
    walk.due_at(ca_end + hour);
    EXPECT_FALSE(walk.emits<PublishGeneration>());
}

}  // namespace
}  // namespace hwenroll::lifecycle
