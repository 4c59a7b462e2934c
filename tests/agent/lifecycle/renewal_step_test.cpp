// The rows of the identity machine that a renewal passes (REN-*, SM-13, SM-14, C4, C7).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

/// What the CA would have given for a renewal at the renewal point.
IssuedRecord renewed() {
    return certificate(0x33, start + 18 * hour, day);
}

TEST(RenewalStep, REN_2_SM_13_CSR_7_at_the_renewal_point_a_renewal_begins_with_a_new_key) {
    Walk walk;
    walk.to_valid().due_at(start + 18 * hour - Seconds(1));
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.due(), start + 18 * hour);
    walk.due_at(start + 18 * hour);
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    EXPECT_NE(walk.state.enrollment->key.id, walk.state.current->key.id);
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_key);
}

TEST(RenewalStep, REN_3_a_renewal_is_signed_by_the_current_certificate_and_may_be_a_renewal_req) {
    Walk walk;
    walk.to_renewal().on(KeyReady{{8}});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::renewal);
    EXPECT_TRUE(walk.effect<PrepareRequest>().by_renewal_req);
}

// The store keeps of a transaction's signer neither its token nor its URI.
TEST(RenewalStep, RT_3_X1_a_restart_goes_on_with_a_renewal_whatever_is_known_of_the_current_keys_place) {
    Walk walk;
    walk.to_key().on(KeyReady{{7}, {}, {}, "lab", "handle:0x81000010"}).on(RequestPrepared{prepared()});
    walk.on(CertificateIssued{issued()}).published();
    walk.due_at(start + 18 * hour).on(KeyReady{{8}});
    Transaction transaction = prepared();
    transaction.signer_key = KeyRecord{walk.state.current->key.id, walk.state.current->key.spki};
    walk.on(RequestPrepared{transaction}).on(failure(ErrorCode::ca_unreachable));
    walk.on(Started{1, 1, true});
    ASSERT_TRUE(walk.state.enrollment->transaction);
    EXPECT_EQ(walk.state.enrollment->transaction->id, prepared().id);
    EXPECT_FALSE(walk.emits<PrepareRequest>());
    EXPECT_TRUE(walk.emits<SendRequest>());
}

TEST(RenewalStep, REN_4_the_new_certificate_replaces_the_old_one_whose_key_is_retired) {
    Walk walk;
    walk.to_renewal_sent();
    const Credential old = *walk.state.current;
    const Bytes key = walk.state.enrollment->key.id;
    walk.on(CertificateIssued{renewed()});
    EXPECT_EQ(walk.state.current, old) << "the old one stays until the new one is published";
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_publish);
    walk.published();
    EXPECT_EQ(walk.state.current->issued, renewed());
    EXPECT_EQ(walk.state.current->key.id, key);
    EXPECT_EQ(walk.state.current->generation, 2U);
    EXPECT_TRUE(walk.retired(old.key.id));
    EXPECT_EQ(walk.due(), start + 36 * hour) << "24 hours later the key goes, at 36 hours the next renewal begins";
}

TEST(RenewalStep, REN_6_a_refused_renewal_req_is_asked_once_more_by_pkcs_req_and_that_is_remembered) {
    Walk walk;
    walk.to_renewal().on(KeyReady{{8}});
    Transaction transaction = prepared();
    transaction.type = scep::MessageType::renewal_req;
    walk.on(RequestPrepared{transaction}).on(rejected(scep::FailInfo::bad_request));
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.effect<PrepareRequest>().by_renewal_req);
    walk.on(RequestPrepared{prepared()}).on(CertificateIssued{renewed()}).published();
    walk.due_at(start + 36 * hour).on(KeyReady{{9}});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.effect<PrepareRequest>().by_renewal_req);
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_TRUE(walk.effect<PrepareRequest>().by_renewal_req) << "remembered of this configuration";
}

TEST(RenewalStep, REN_6_a_renewal_by_pkcs_req_that_is_refused_holds) {
    Walk walk;
    walk.to_renewal_sent().on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_EQ(walk.state.phase, Phase::valid) << "what is published stays valid";
}

TEST(RenewalStep, C4_Q_NDES_8_invariant_3_a_certificate_that_ends_no_later_is_asked_for_again_with_another_key) {
    Walk walk;
    walk.to_renewal_sent();
    const Bytes key = walk.state.enrollment->key.id;
    walk.on(CertificateIssued{certificate(0x33, start + 18 * hour, 6 * hour)});
    EXPECT_EQ(walk.state.failure->code, ErrorCode::scep_no_progress);
    EXPECT_EQ(walk.state.counters.certificates, 1U);
    EXPECT_FALSE(walk.state.next);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_NE(walk.state.enrollment->key.id, key);
    ASSERT_TRUE(walk.only<DestroyKey>()) << "nobody ever used it";
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, key);
}

TEST(RenewalStep, C4_invariant_5_the_third_certificate_without_progress_holds) {
    Walk walk;
    walk.to_renewal_sent();
    for (int i = 0; i < 3; ++i) {
        ASSERT_NE(attempt_phase(walk.state), Phase::held) << i;
        walk.on(CertificateIssued{certificate(0x33, start + 18 * hour, 6 * hour)});
        if (i < 2) {
            walk.on(KeyDestroyed{walk.state.retired.at(0).key.id}).due_at(walk.state.wait.until).send();
        }
    }
    EXPECT_EQ(walk.state.hold->reason, HoldReason::message_cap);
    EXPECT_EQ(walk.state.counters.certificates, 3U);
}

TEST(RenewalStep, SM_14_REN_5_an_expired_certificate_is_enrolled_anew) {
    Walk walk;
    walk.to_valid().due_at(start + day);
    EXPECT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, SM_14_a_second_before_its_end_a_certificate_still_signs_its_renewal) {
    Walk walk;
    walk.to_valid().due_at(start + day - Seconds(1));
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
}

TEST(RenewalStep, SM_14_an_unanswered_renewal_becomes_an_enrollment_when_its_signer_expires) {
    Walk walk;
    walk.to_renewal_sent().at(start + day - Seconds(10)).on(failure(ErrorCode::ca_timeout));
    const Bytes key = walk.state.enrollment->key.id;
    ASSERT_LE(walk.state.wait.until, start + day) << "never beyond a tenth of what remains";
    walk.due_at(start + day);
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_EQ(walk.state.enrollment->key.id, key) << "the key is as good as it was";
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
}

TEST(RenewalStep, SM_14_a_key_that_is_made_while_the_signer_expires_is_used_for_an_enrollment) {
    Walk walk;
    walk.to_renewal().at(start + day).on(KeyReady{{8}});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, SM_14_a_pending_renewal_is_polled_beyond_the_end_of_its_signer) {
    Walk walk;
    walk.to_renewal_sent().on(RequestPending{}).due_at(start + day);
    EXPECT_TRUE(walk.emits<SendPoll>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    EXPECT_EQ(walk.state.enrollment->transaction->id.value, "T1");
}

TEST(RenewalStep, SM_14_a_pending_renewal_that_is_refused_after_the_end_of_its_signer_becomes_an_enrollment) {
    Walk walk;
    walk.to_renewal_sent().on(RequestPending{}).due_at(start + day).on(rejected(scep::FailInfo::bad_cert_id));
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
}

TEST(RenewalStep, SM_14_Q_OKTA_1_a_held_renewal_is_enrolled_anew_once_at_expiry_and_then_slowly) {
    Walk walk;
    walk.to_renewal_sent().at(start + day - hour).on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_EQ(walk.due(), start + day) << "not at the end of the hold";
    walk.due_at(start + day);
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::reenrollment);
    walk.on(RequestPrepared{prepared()}).on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    const TimePoint retry = walk.state.wait.until;
    EXPECT_GE(retry, walk.now + 2 * hour);
    walk.due_at(retry - Seconds(1));
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_FALSE(walk.emits<PrepareRequest>());
    EXPECT_TRUE(walk.due_at(retry).emits<PrepareRequest>());
}

TEST(RenewalStep, SM_14_invariant_5_over_the_cap_an_expiry_does_not_end_a_hold) {
    Walk walk;
    walk.rules.max_messages = 1;
    walk.to_renewal_sent().at(start + day).on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_FALSE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.due(), walk.state.wait.until);
    walk.due_at(walk.state.wait.until);
    EXPECT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, HTTP_28_SM_14_an_expiry_does_not_end_the_wait_that_the_ca_asked_for) {
    Walk walk;
    walk.to_renewal_sent().on(asked_to_wait(12 * 3600)).at(start + day).on(Started{});
    EXPECT_FALSE(walk.emits<PrepareRequest>());
    EXPECT_FALSE(walk.emits<SendRequest>());
    walk.due_at(start + 30 * hour);
    ASSERT_TRUE(walk.emits<PrepareRequest>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, RT_8_no_retry_is_later_than_a_tenth_of_what_remains) {
    Walk walk;
    walk.to_renewal_sent().at(start + day - 1000 * Seconds(1));
    for (int i = 0; i < 20; ++i) {
        walk.on(failure(ErrorCode::ca_timeout));
        EXPECT_LE(walk.state.wait.until - walk.now, Seconds(100));
    }
}

TEST(RenewalStep, CSR_7_new_key_reuse_renews_with_the_current_key) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.to_renewal();
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key);
    walk.send().on(CertificateIssued{renewed()}).published();
    EXPECT_EQ(walk.state.current->issued, renewed());
    EXPECT_TRUE(walk.state.retired.empty());
}

TEST(RenewalStep, T19_a_full_token_under_prefer_lets_the_current_key_be_renewed) {
    Walk walk;
    walk.rules.new_key = KeyRule::prefer;
    walk.to_renewal();
    const Bytes unmade = walk.state.enrollment->key.id;
    walk.on(failure(ErrorCode::token_full));
    EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key);
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_TRUE(walk.retired(unmade)) << "nothing is left under an id that was committed";
}

TEST(RenewalStep, T19_a_full_token_under_require_waits) {
    Walk walk;
    walk.to_renewal().on(failure(ErrorCode::token_full));
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_key);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.state.wait.until, walk.now);
}

TEST(RenewalStep, T19_TOK_7_a_full_token_loses_retired_keys_first_and_sooner) {
    Walk walk;
    walk.rules.new_key = KeyRule::prefer;
    walk.rules.retire_after = 10 * day;
    walk.to_renewal_sent();
    const Bytes old = walk.state.current->key.id;
    walk.on(CertificateIssued{renewed()}).published().due_at(start + 36 * hour);
    ASSERT_TRUE(walk.only<MakeKey>());
    walk.on(failure(ErrorCode::token_full));
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, old);
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_key);
    walk.on(KeyDestroyed{old}).due_at(walk.state.wait.until);
    EXPECT_TRUE(walk.only<MakeKey>());
}

TEST(RenewalStep, T19_a_full_token_gains_nothing_from_keys_that_are_elsewhere_or_cannot_be_destroyed) {
    for (const bool elsewhere : {true, false}) {
        Walk walk;
        walk.rules.new_key = KeyRule::prefer;
        walk.rules.retire_after = 10 * day;
        walk.rules.token = "lab";
        walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
        ASSERT_EQ(walk.state.retired.size(), 1U);
        walk.state.retired[0].key.token = elsewhere ? "other" : "lab";
        walk.state.retired[0].failures = elsewhere ? 0 : 1;
        walk.due_at(start + 36 * hour).on(failure(ErrorCode::token_full));
        EXPECT_FALSE(walk.emits<DestroyKey>());
        EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key) << "the current key is better than none";
    }
}

TEST(RenewalStep, F3_a_key_that_was_made_before_its_identity_moved_is_not_left_behind) {
    Walk walk;
    walk.rules.token = "lab";
    walk.to_key()
        .on(KeyReady{{7}, {}, {}, "lab"})
        .on(RequestPrepared{prepared()})
        .on(failure(ErrorCode::ca_unreachable));
    const Bytes made = walk.state.enrollment->key.id;
    walk.rules.token = "tpm";
    walk.rules.request_mark = {9};
    walk.rules.configuration_mark = {9};
    walk.on(Started{});
    EXPECT_NE(walk.state.enrollment->key.id, made);
    ASSERT_TRUE(walk.retired(made));
    EXPECT_EQ(walk.retired(made)->key.token, "lab");
}

TEST(RenewalStep, T19_O11_what_an_operator_wants_falls_back_to_the_current_key_at_its_renewal_point_only) {
    Walk walk;
    walk.rules.new_key = KeyRule::prefer;
    walk.to_valid().on(RenewalWanted{true}).on(failure(ErrorCode::token_full));
    EXPECT_NE(walk.state.enrollment->key.id, walk.state.current->key.id);
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_key);
    walk.due_at(start + 18 * hour).on(failure(ErrorCode::token_full));
    EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key);
}

TEST(RenewalStep, T19_a_key_of_another_kind_is_not_taken_from_the_current_certificate) {
    Walk walk;
    walk.rules.new_key = KeyRule::prefer;
    walk.rules.content_mark = {1};
    walk.to_valid();
    walk.rules.content_mark = {2};
    walk.on(Due{}).on(failure(ErrorCode::token_full));
    EXPECT_NE(walk.state.enrollment->key.id, walk.state.current->key.id);
}

TEST(RenewalStep, REN_7_another_content_is_renewed_with_a_new_key_at_once) {
    Walk walk;
    walk.rules.new_key = KeyRule::reuse;
    walk.rules.content_mark = {1};
    walk.to_valid();
    walk.rules.content_mark = {2};
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.on(Due{});
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    EXPECT_TRUE(walk.state.enrollment->forced) << "it may end earlier: the operator's command";
}

TEST(RenewalStep, another_name_is_another_identity_and_is_enrolled) {
    Walk walk;
    walk.rules.name_mark = {1};
    walk.to_valid();
    walk.rules.name_mark = {2};
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.on(Due{});
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, a_certificate_that_was_asked_for_before_the_names_changed_is_not_taken_for_the_new_one) {
    Walk walk;
    walk.rules.name_mark = {1};
    walk.rules.content_mark = {1};
    walk.to_sent();
    walk.rules.name_mark = {2};
    walk.rules.request_mark = {102};
    walk.rules.configuration_mark = {2};
    walk.on(CertificateIssued{issued()}).on(GenerationPublished{1});
    ASSERT_TRUE(walk.state.current);
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

TEST(RenewalStep, C7_K7_a_renewed_certificate_is_not_published_before_it_is_valid) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{certificate(0x33, start + 18 * hour + 5 * minute, day)});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.due(), start + 18 * hour + 5 * minute);
    EXPECT_TRUE(walk.due_at(start + 18 * hour + 5 * minute).emits<PublishGeneration>());
}

TEST(RenewalStep, C7_a_certificate_that_is_not_valid_yet_is_better_than_one_that_is_not_valid_any_more) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{certificate(0x33, start + 2 * day, day)});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_TRUE(walk.due_at(start + day).emits<PublishGeneration>());
}

TEST(RenewalStep, K11_a_certificate_of_a_minute_is_renewed_in_time) {
    Walk walk;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, Seconds(60))}).published();
    walk.due_at(start + Seconds(44));
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_TRUE(walk.due_at(start + Seconds(45)).only<MakeKey>());
    walk.on(failure(ErrorCode::token_absent));
    EXPECT_EQ(walk.state.wait.until, start + Seconds(46)) << "a hundredth of a minute, at least a second";
    walk.due_at(start + Seconds(46)).on(KeyReady{{8}});
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(RenewalStep, C9_a_certificate_that_is_past_its_renewal_point_when_it_comes_is_not_renewed_at_once) {
    Walk walk;
    walk.to_sent().at(start + 20 * hour).on(CertificateIssued{certificate(0x30, start, day)}).published();
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(renewal_time(walk.state, walk.rules), start + 20 * hour + day / 50);
    EXPECT_TRUE(walk.due_at(start + 20 * hour + day / 50).emits<MakeKey>());
}

TEST(RenewalStep, C9_the_pause_after_a_late_certificate_is_half_of_what_is_left_at_most) {
    Walk walk;
    walk.to_sent().at(start + day - 20 * minute).on(CertificateIssued{certificate(0x30, start, day)}).published();
    EXPECT_EQ(renewal_time(walk.state, walk.rules), start + day - 10 * minute);
}

TEST(RenewalStep, invariant_5_over_the_cap_one_retry_a_day_however_short_the_certificate) {
    Walk walk;
    walk.rules.max_messages = 1;
    walk.to_renewal_sent().on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true});
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    EXPECT_EQ(walk.state.wait.until, walk.now + day);
    Walk refused;
    refused.to_renewal_sent().on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(refused.state), Phase::held);
    EXPECT_EQ(refused.state.wait.until, refused.now + day / 10) << "a refusal below the cap can be mended in time";
}

}  // namespace
}  // namespace hwenroll::lifecycle
