// The rows of the identity machine that a first enrollment passes, one test each (SM-*, RT-*, FI-*, invariants 3 to 5).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

TEST(IdentityStep, SM_3_a_new_identity_commits_its_key_id_before_the_key_is_made) {
    Walk walk;
    walk.to_key();
    EXPECT_EQ(walk.state.phase, Phase::need_key);
    EXPECT_EQ(walk.state.enrollment->key.id, Bytes(16, 10));
    EXPECT_TRUE(walk.state.enrollment->key.spki.empty());
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(std::get<MakeKey>(walk.effects[0]).key_id, Bytes(16, 10));
}

TEST(IdentityStep, T17_a_restart_before_the_key_is_known_asks_for_the_same_key_id) {
    Walk walk;
    walk.to_key();
    const Bytes id = walk.state.enrollment->key.id;
    walk.on(Started{});
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(std::get<MakeKey>(walk.effects[0]).key_id, id);
}

TEST(IdentityStep, SM_4_a_ready_key_leads_to_a_request_under_a_drawn_transaction_id) {
    Walk walk;
    walk.to_submit();
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(std::get<PrepareRequest>(walk.effects[0]).transaction_id.value,
              std::string(32, '0').replace(0, 32, "0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B"));
}

TEST(IdentityStep, RT_5_the_request_and_its_nonce_are_in_the_state_before_the_send) {
    Walk walk;
    walk.to_sent();
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    ASSERT_TRUE(walk.state.enrollment->transaction);
    EXPECT_EQ(walk.state.enrollment->transaction->envelope, (Bytes{1, 2, 3}));
    EXPECT_EQ(walk.state.enrollment->transaction->nonce.value[0], 13);
    EXPECT_EQ(walk.state.enrollment->transaction->sends, 1U);
    EXPECT_EQ(walk.state.enrollment->transaction->prepared_at, start);
    EXPECT_TRUE(walk.only<SendRequest>());
}

TEST(IdentityStep, MSG_7_RT_6_invariant_4_a_resend_keeps_the_transaction_id_and_takes_a_fresh_nonce) {
    Walk walk;
    walk.to_sent();
    const Transaction before = *walk.state.enrollment->transaction;
    walk.on(Started{});
    const Transaction& after = *walk.state.enrollment->transaction;
    EXPECT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(after.id, before.id);
    EXPECT_EQ(after.envelope, before.envelope);
    EXPECT_NE(after.nonce, before.nonce);
    EXPECT_EQ(after.sends, 2U);
}

TEST(IdentityStep, SM_5_an_issued_certificate_is_stored_and_published_under_a_new_generation) {
    Walk walk;
    walk.to_publish();
    EXPECT_EQ(walk.state.phase, Phase::need_publish);
    EXPECT_EQ(walk.state.next->issued, issued());
    EXPECT_EQ(walk.state.last_generation, 1U);
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(std::get<PublishGeneration>(walk.effects[0]).generation, 1U);
}

TEST(IdentityStep, RT_9_SM_16_a_restart_before_the_publish_is_known_publishes_the_same_generation) {
    Walk walk;
    walk.to_publish().on(Started{});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(std::get<PublishGeneration>(walk.effects[0]).generation, 1U);
}

TEST(IdentityStep, a_published_generation_makes_the_identity_valid_and_forgets_failures) {
    Walk walk;
    walk.to_sent().on(failure(ErrorCode::ca_timeout)).on(CertificateIssued{issued()}).on(GenerationPublished{1});
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_EQ(walk.state.current->generation, 1U);
    EXPECT_EQ(walk.state.current->key.spki, Bytes{7});
    EXPECT_FALSE(walk.state.failure);
    EXPECT_EQ(walk.state.counters, Counters{});
    EXPECT_TRUE(walk.effects.empty());
}

TEST(IdentityStep, a_valid_identity_that_is_started_again_does_nothing) {
    Walk walk;
    const IdentityState before = walk.to_valid().state;
    walk.on(Started{});
    EXPECT_EQ(walk.state, before);
    EXPECT_TRUE(walk.effects.empty());
}

TEST(IdentityStep, SM_6_RT_7_pending_is_polled_at_growing_intervals_up_to_the_longest) {
    Walk walk;
    walk.rules.poll = {Seconds(60), 1.5, Seconds(200), Seconds(86400)};
    walk.to_sent().on(RequestPending{});
    EXPECT_EQ(walk.state.phase, Phase::pending);
    EXPECT_EQ(walk.state.wait, (Wait{WaitingFor::ca, start + Seconds(60)}));
    EXPECT_TRUE(walk.effects.empty());
    std::vector<long> intervals;
    for (int i = 0; i < 4; ++i) {
        walk.now = walk.state.wait.until;
        walk.on(Due{});
        ASSERT_TRUE(walk.only<SendPoll>());
        walk.on(RequestPending{});
        intervals.push_back((walk.state.wait.until - walk.now).count());
    }
    EXPECT_EQ(intervals, (std::vector<long>{90, 135, 200, 200}));
    EXPECT_EQ(walk.state.counters.messages, 1U) << "polls are not counted (invariant 5)";
}

TEST(IdentityStep, RT_7_the_factor_between_polls_is_the_configurations) {
    for (const auto& [factor, second] : {std::pair(1.0, 60L), std::pair(3.0, 180L)}) {
        Walk walk;
        walk.rules.poll = {Seconds(60), factor, Seconds(3600), Seconds(86400)};
        walk.to_sent().on(RequestPending{});
        walk.now = walk.state.wait.until;
        walk.on(Due{}).on(RequestPending{});
        EXPECT_EQ((walk.state.wait.until - walk.now).count(), second);
    }
}

TEST(IdentityStep, SM_9_SM_16_a_restart_does_not_poll_before_its_time) {
    Walk walk;
    walk.to_sent().on(RequestPending{}).on(Started{});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.state.phase, Phase::pending);
    walk.now += Seconds(60);
    walk.on(Started{});
    EXPECT_TRUE(walk.only<SendPoll>());
    EXPECT_EQ(walk.state.enrollment->transaction->id.value, "T1");
}

TEST(IdentityStep, SM_10_a_poll_that_is_answered_with_success_goes_on_to_publish) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    walk.now += Seconds(60);
    walk.on(Due{}).on(CertificateIssued{issued()});
    EXPECT_EQ(walk.state.phase, Phase::need_publish);
}

TEST(IdentityStep, SM_11_BAD_123_a_transaction_that_stays_undecided_is_given_up_and_the_key_is_kept) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    walk.now = start + walk.rules.poll.give_up;
    walk.on(Due{});
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_EQ(walk.state.enrollment->key.spki, Bytes{7});
}

TEST(IdentityStep, SM_11_invariant_5_an_undecided_request_over_the_cap_holds) {
    Walk walk;
    walk.rules.max_messages = 1;
    walk.to_sent().on(RequestPending{}).due_at(start + walk.rules.poll.give_up);
    ASSERT_TRUE(walk.state.hold);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::message_cap);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_TRUE(walk.only<RaiseAlert>());
    EXPECT_TRUE(walk.due_at(walk.state.wait.until).only<PrepareRequest>()) << "one retry a day";
}

TEST(IdentityStep, SM_12_an_invalid_reply_to_a_poll_does_not_end_the_transaction) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    walk.now += Seconds(60);
    walk.on(Due{}).on(failure(ErrorCode::scep_signature));
    EXPECT_EQ(walk.state.phase, Phase::pending);
    EXPECT_EQ(walk.state.enrollment->transaction->id.value, "T1");
    EXPECT_GT(walk.state.wait.until, walk.now);
}

TEST(IdentityStep, SM_7_FI_2_a_refusal_holds_the_identity_and_drops_the_request_but_not_the_key) {
    Walk walk;
    walk.to_sent().on(RequestRejected{scep::FailInfo::bad_request, Error(ErrorCode::ca_rejected, "no")});
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::rejected);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_EQ(walk.state.enrollment->key.spki, Bytes{7});
    EXPECT_EQ(walk.state.failure->code, ErrorCode::ca_rejected);
    EXPECT_TRUE(walk.only<RaiseAlert>()) << "invariant 11";
}

TEST(IdentityStep, FI_2_a_held_identity_stays_quiet_until_its_day_is_over) {
    Walk walk;
    walk.to_sent().on(RequestRejected{scep::FailInfo::bad_request, Error(ErrorCode::ca_rejected, "no")});
    const IdentityState held = walk.state;
    walk.now += Seconds(86399);
    walk.on(Started{});
    EXPECT_EQ(walk.state, held);
    EXPECT_TRUE(walk.effects.empty());
    walk.now += Seconds(1);
    walk.on(Started{});
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
}

TEST(IdentityStep, SM_15_an_operator_releases_a_hold_and_the_next_try_is_due) {
    Walk walk;
    walk.to_sent().on(RequestRejected{scep::FailInfo::bad_request, Error(ErrorCode::ca_rejected, "no")});
    ASSERT_EQ(walk.state.phase, Phase::held);
    walk.on(Resumed{});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_FALSE(walk.state.hold);
    EXPECT_TRUE(walk.effects.empty()) << "whoever resumes need not be the agent";
    EXPECT_TRUE(walk.state.failure) << "kept until the next success";
    walk.now += Seconds(1);
    walk.on(Due{});
    EXPECT_TRUE(walk.only<PrepareRequest>());
}

TEST(IdentityStep, T9_an_operator_ends_a_wait_for_a_pin) {
    Walk walk;
    walk.to_key().on(failure(ErrorCode::token_pin));
    ASSERT_EQ(walk.state.wait.reason, WaitingFor::pin);
    walk.on(Resumed{});
    walk.now += Seconds(1);
    walk.on(Due{});
    EXPECT_TRUE(walk.only<MakeKey>());
}

TEST(IdentityStep, invariant_5_an_operator_s_resume_starts_no_new_count) {
    Walk walk;
    walk.rules.max_messages = 1;
    walk.to_sent().on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true});
    ASSERT_EQ(walk.state.hold->reason, HoldReason::message_cap);
    walk.on(Resumed{}).on(Started{});
    EXPECT_TRUE(walk.only<SendRequest>());
    walk.on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true});
    EXPECT_EQ(walk.state.phase, Phase::held);
}

TEST(IdentityStep, T22_an_operator_ends_a_wait_for_a_token) {
    Walk walk;
    walk.on(Started{}).on(failure(ErrorCode::token_absent));
    ASSERT_EQ(walk.state.wait.reason, WaitingFor::token);
    walk.on(Resumed{});
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::timer);
    EXPECT_EQ(walk.state.wait.until, walk.now + Seconds(1));
}

TEST(IdentityStep, an_operator_s_resume_changes_nothing_that_does_not_wait_for_one) {
    for (const auto& reach : {&Walk::to_key, &Walk::to_sent, &Walk::to_publish, &Walk::to_valid}) {
        Walk walk;
        (walk.*reach)();
        const IdentityState before = walk.state;
        walk.on(Resumed{});
        EXPECT_EQ(walk.state, before);
        EXPECT_TRUE(walk.effects.empty());
    }
}

TEST(IdentityStep, SM_15_a_changed_configuration_releases_a_hold_at_once) {
    Walk walk;
    walk.to_sent().on(RequestRejected{scep::FailInfo::bad_request, Error(ErrorCode::ca_rejected, "no")});
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_TRUE(walk.only<PrepareRequest>());
}

TEST(IdentityStep, SM_15_another_request_begins_with_the_key_which_may_have_to_be_another_one) {
    for (const bool pending : {false, true}) {
        Walk walk;
        walk.to_sent();
        if (pending) {
            walk.on(RequestPending{});
        }
        const Bytes id = walk.state.enrollment->key.id;
        walk.rules.request_mark = {102};
        walk.rules.configuration_mark = {2};
        walk.on(Started{});
        EXPECT_EQ(walk.state.phase, Phase::need_key);
        EXPECT_FALSE(walk.state.enrollment->transaction);
        ASSERT_TRUE(walk.only<MakeKey>());
        EXPECT_EQ(std::get<MakeKey>(walk.effects[0]).key_id, id);
        EXPECT_EQ(walk.state.enrollment->request_mark, Bytes{102});
        walk.on(KeyReady{{8}});
        EXPECT_TRUE(walk.only<PrepareRequest>());
        EXPECT_EQ(walk.state.enrollment->key.spki, Bytes{8});
    }
}

TEST(IdentityStep, SM_15_a_new_challenge_ends_an_unanswered_request_but_not_one_that_is_pending) {
    Walk walk;
    walk.to_sent().on(failure(ErrorCode::ca_http));
    EXPECT_EQ(walk.state.enrollment->transaction->configuration_mark, Bytes{1});
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->transaction);
    walk.on(RequestPrepared{prepared()}).on(RequestPending{});
    walk.rules.configuration_mark = {3};
    walk.on(Started{});
    EXPECT_EQ(walk.state.phase, Phase::pending);
    EXPECT_EQ(walk.state.enrollment->transaction->id.value, "T1");
}

TEST(IdentityStep, an_issued_certificate_is_published_whatever_the_configuration_says_by_then) {
    Walk walk;
    walk.to_publish();
    walk.rules.request_mark = {102};
    walk.on(Started{});
    EXPECT_TRUE(walk.only<PublishGeneration>());
}

TEST(IdentityStep, CACERT_11_an_envelope_for_another_recipient_is_made_anew_before_it_is_sent) {
    Walk walk;
    walk.to_sent().on(RecipientChanged{});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.state.counters.failures, 0U);
}

TEST(IdentityStep, S12_S13_what_consumers_lost_is_published_again_under_a_number_never_used) {
    Walk walk;
    walk.to_valid();
    const Credential before = *walk.state.current;
    walk.on(Started{4, 0, false});
    EXPECT_EQ(walk.state.phase, Phase::valid) << "what consumers had is still the identity's";
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_publish);
    EXPECT_EQ(walk.state.current, before) << "still what was published last";
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(std::get<PublishGeneration>(walk.effects[0]).generation, 5U);
    walk.on(GenerationPublished{5});
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_EQ(walk.state.current->issued, before.issued);
    EXPECT_EQ(walk.state.current->key, before.key);
    EXPECT_EQ(walk.state.current->generation, 5U);
}

TEST(IdentityStep, S8_generations_of_a_lost_database_keep_their_numbers) {
    Walk walk;
    walk.on(Started{7, 7, true});
    EXPECT_EQ(walk.state.phase, Phase::need_key);
    walk.on(KeyReady{{7}}).on(RequestPrepared{prepared()}).on(CertificateIssued{issued()});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(std::get<PublishGeneration>(walk.effects[0]).generation, 8U);
}

TEST(IdentityStep, S7_a_generation_is_published_under_its_number_unless_another_one_has_it) {
    Walk walk;
    walk.to_publish();
    const auto number_after = [&](const Started& event) {
        return std::get<PublishGeneration>(step(walk.state, event, draw_of(1), walk.rules, walk.now).effects.at(0))
            .generation;
    };
    EXPECT_EQ(number_after({0, 0, false}), 1U) << "killed before it was written";
    EXPECT_EQ(number_after({1, 0, false}), 1U) << "killed before the switch";
    EXPECT_EQ(number_after({1, 1, true}), 1U) << "killed after the switch";
    EXPECT_EQ(number_after({1, 1, false}), 2U) << "consumers see something else under it";
    EXPECT_EQ(number_after({3, 3, false}), 4U) << "the database is older than the directory";
}

TEST(IdentityStep, T21_a_key_that_could_leave_the_token_holds_the_identity) {
    Walk walk;
    walk.to_key().on(failure(ErrorCode::token_key_policy));
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::key_refused);
}

TEST(IdentityStep, RT_8_failures_wait_longer_each_time_within_half_and_whole_of_the_step) {
    Walk low;
    Walk high;
    low.to_sent();
    high.to_sent();
    const auto fail_with = [](Walk& walk, std::uint32_t fraction) {
        Draw draw = draw_of(1);
        draw.fraction = fraction;
        walk.state = step(walk.state, failure(ErrorCode::ca_timeout), draw, walk.rules, walk.now).state;
        return (walk.state.wait.until - walk.now).count();
    };
    EXPECT_EQ(fail_with(low, 0), 30);
    EXPECT_EQ(fail_with(low, 0), 60);
    EXPECT_EQ(fail_with(low, 0), 120);
    EXPECT_EQ(fail_with(high, 0xFFFFFFFF), 59);
    EXPECT_EQ(fail_with(high, 0xFFFFFFFF), 119);
    for (int i = 0; i < 40; ++i) {
        fail_with(low, 0);
    }
    EXPECT_EQ(fail_with(low, 0), 3 * 3600);
}

TEST(IdentityStep, each_remedy_names_what_is_waited_for) {
    const std::vector<std::pair<ErrorCode, WaitingFor>> table{{ErrorCode::ca_timeout, WaitingFor::network},
                                                              {ErrorCode::token_absent, WaitingFor::token},
                                                              {ErrorCode::token_pin, WaitingFor::pin},
                                                              {ErrorCode::scep_signature, WaitingFor::ca},
                                                              {ErrorCode::ca_fingerprint, WaitingFor::operator_},
                                                              {ErrorCode::publish_write, WaitingFor::timer}};
    for (const auto& [code, reason] : table) {
        Walk walk;
        walk.to_sent().on(failure(code));
        EXPECT_EQ(walk.state.wait.reason, reason) << error_info(code).name;
        EXPECT_EQ(walk.state.failure->code, code);
    }
}

TEST(IdentityStep, HTTP_28_the_next_try_is_no_earlier_than_retry_after) {
    Walk walk;
    walk.to_sent().on(EffectFailed{Error(ErrorCode::ca_http, "429").retry_after(Seconds(7200))});
    EXPECT_EQ(walk.state.wait.until, start + Seconds(7200));
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::network);
    walk.now += Seconds(7199);
    EXPECT_TRUE(walk.on(Due{}).effects.empty());
    walk.now += Seconds(1);
    EXPECT_TRUE(walk.on(Due{}).only<SendRequest>());
}

TEST(IdentityStep, HTTP_28_retry_after_does_not_shorten_a_backoff) {
    Walk plain;
    plain.to_sent().on(failure(ErrorCode::ca_http));
    Walk hurried;
    hurried.to_sent().on(EffectFailed{Error(ErrorCode::ca_http, "503").retry_after(Seconds(1))});
    EXPECT_EQ(hurried.state.wait.until, plain.state.wait.until);
}

RefusedRequest refused_request() {
    return {{6}, scep::Digest::sha256, scep::ContentCipher::aes128, {1}};
}

TEST(IdentityStep, FI_1_ALG_12_a_refusal_that_another_ca_may_explain_is_committed_before_the_ca_is_asked_again) {
    for (const auto why : {scep::FailInfo::bad_message_check, scep::FailInfo::bad_alg}) {
        for (const bool pending : {false, true}) {
            Walk walk;
            walk.to_sent();
            if (pending) {
                walk.on(RequestPending{});
            }
            walk.on(rejected(why));
            EXPECT_EQ(walk.state.phase, Phase::need_submit);
            ASSERT_TRUE(walk.only<ReconsiderAuthority>());
            EXPECT_EQ(std::get<ReconsiderAuthority>(walk.effects[0]).request, refused_request());
            EXPECT_EQ(walk.state.enrollment->refused, refused_request());
            EXPECT_FALSE(walk.state.enrollment->transaction) << "FI-2: it is never sent again";
            EXPECT_EQ(walk.state.counters.messages, 1U) << "invariant 5: it was answered";
            EXPECT_EQ(walk.state.failure->code, ErrorCode::ca_rejected);
        }
    }
}

TEST(IdentityStep, FI_1_a_restart_after_a_refusal_asks_the_ca_and_sends_nothing) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check)).on(Started{});
    ASSERT_TRUE(walk.only<ReconsiderAuthority>());
    EXPECT_EQ(std::get<ReconsiderAuthority>(walk.effects[0]).request, refused_request());
    EXPECT_EQ(walk.on(RequestPrepared{prepared()}).state.enrollment->transaction, std::nullopt);
}

TEST(IdentityStep, FI_1_a_ca_that_has_changed_gets_a_new_request) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check)).on(AuthorityReconsidered{true});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->refused);
    EXPECT_TRUE(walk.on(Started{}).only<PrepareRequest>());
}

TEST(IdentityStep, FI_1_a_ca_that_is_as_it_was_holds) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check)).on(AuthorityReconsidered{false});
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::rejected);
    EXPECT_EQ(walk.state.failure->code, ErrorCode::ca_rejected);
    EXPECT_TRUE(walk.only<RaiseAlert>()) << "invariant 11";
}

TEST(IdentityStep, FI_1_a_ca_that_cannot_be_asked_again_now_is_asked_after_a_backoff) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check)).on(failure(ErrorCode::ca_timeout));
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::network);
    EXPECT_LT(walk.state.wait.until, start + Seconds(600));
    EXPECT_EQ(walk.state.failure->code, ErrorCode::ca_rejected) << "what an operator has to know";
    walk.now = walk.state.wait.until;
    EXPECT_TRUE(walk.on(Due{}).only<ReconsiderAuthority>());
}

TEST(IdentityStep, FI_1_FI_2_another_configuration_or_challenge_needs_no_second_look_at_the_ca) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check)).on(failure(ErrorCode::ca_timeout));
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->refused);
}

TEST(IdentityStep, FI_2_another_refusal_holds_at_once) {
    for (const auto why : {scep::FailInfo::bad_request, scep::FailInfo::bad_time, scep::FailInfo::bad_cert_id}) {
        Walk walk;
        walk.to_sent().on(rejected(why));
        EXPECT_EQ(walk.state.phase, Phase::held);
        EXPECT_TRUE(walk.only<RaiseAlert>()) << "invariant 11";
    }
}

/// Refused, asked again, changed, and refused with the new request.
Walk& refused_twice(Walk& walk) {
    return walk.to_sent()
        .on(rejected(scep::FailInfo::bad_message_check))
        .on(AuthorityReconsidered{true})
        .on(RequestPrepared{prepared()})
        .on(rejected(scep::FailInfo::bad_message_check));
}

TEST(IdentityStep, FI_1_a_ca_that_changes_each_time_is_given_one_new_request_and_then_the_refusal_is_permanent) {
    Walk walk;
    refused_twice(walk);
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::rejected);
    EXPECT_EQ(walk.state.counters.messages, 2U);
    EXPECT_TRUE(walk.only<RaiseAlert>()) << "invariant 11";
}

TEST(IdentityStep, FI_1_the_ca_is_asked_again_after_a_released_hold_a_pending_or_another_configuration) {
    const auto refused_again = [](Walk& walk) {
        return walk.on(RequestPrepared{prepared()}).on(rejected(scep::FailInfo::bad_alg)).only<ReconsiderAuthority>();
    };
    Walk waited;
    refused_twice(waited).now += Seconds(86400);
    EXPECT_TRUE(refused_again(waited.on(Started{})));
    Walk resumed;
    EXPECT_TRUE(refused_again(refused_twice(resumed).on(Resumed{}).on(Started{})));
    Walk reconfigured;
    refused_twice(reconfigured).rules.configuration_mark = {2};
    EXPECT_TRUE(refused_again(reconfigured.on(Started{})));
    Walk pending;
    pending.to_sent().on(rejected(scep::FailInfo::bad_alg)).on(AuthorityReconsidered{true});
    pending.on(RequestPrepared{prepared()}).on(RequestPending{}).on(rejected(scep::FailInfo::bad_alg));
    EXPECT_TRUE(pending.only<ReconsiderAuthority>());
    Walk changed;
    changed.to_sent().on(rejected(scep::FailInfo::bad_alg)).on(AuthorityReconsidered{true});
    changed.on(RequestPrepared{prepared()}).rules.configuration_mark = {2};
    EXPECT_TRUE(refused_again(changed.on(Started{})));
}

TEST(IdentityStep, FI_1_invariant_5_over_the_cap_the_ca_is_not_asked_again) {
    Walk walk;
    walk.rules.max_messages = 1;
    walk.to_sent().on(rejected(scep::FailInfo::bad_message_check));
    EXPECT_EQ(walk.state.phase, Phase::held);
}

TEST(IdentityStep, HTTP_28_a_restart_waits_as_long_as_the_ca_asked) {
    Walk requested;
    requested.to_sent();
    Walk unprepared;
    unprepared.to_submit();
    for (Walk* walk : {&requested, &unprepared}) {
        const IdentityState before = walk->on(asked_to_wait(7200)).state;
        walk->now = start + Seconds(7199);
        walk->on(Started{});
        EXPECT_EQ(walk->state, before);
        EXPECT_TRUE(walk->effects.empty());
        walk->now = start + Seconds(7200);
        EXPECT_EQ(walk->on(Started{}).effects.size(), 1U);
        EXPECT_FALSE(walk->state.wait.retry_after);
    }
}

TEST(IdentityStep, HTTP_28_a_restart_waits_for_the_ca_and_not_for_a_longer_backoff) {
    Walk walk;
    walk.to_sent().on(asked_to_wait(1));
    ASSERT_GT(walk.state.wait.until, start + Seconds(1));
    walk.now += Seconds(1);
    EXPECT_TRUE(walk.on(Started{}).only<SendRequest>());
}

TEST(IdentityStep, HTTP_28_SM_15_another_configuration_or_an_operator_ends_the_wait_that_the_ca_asked_for) {
    Walk reconfigured;
    reconfigured.to_sent().on(asked_to_wait(7200)).rules.configuration_mark = {2};
    EXPECT_TRUE(reconfigured.on(Started{}).only<PrepareRequest>());
    Walk resumed;
    resumed.to_sent().on(asked_to_wait(7200)).on(Resumed{});
    EXPECT_TRUE(resumed.effects.empty());
    EXPECT_TRUE(resumed.on(Started{}).only<SendRequest>());
}

TEST(IdentityStep, HTTP_28_a_clock_that_went_back_does_not_lengthen_the_wait_of_a_restart) {
    Walk walk;
    walk.to_sent().on(asked_to_wait(7200)).now -= Seconds(86400);
    EXPECT_TRUE(walk.on(Started{}).only<SendRequest>());
}

TEST(IdentityStep, CACERT_11_FI_1_ALG_12_CAPS_1_which_outcomes_cast_doubt_on_the_ca) {
    for (const auto code : {ErrorCode::scep_signer, ErrorCode::ca_algorithm, ErrorCode::ca_http_refused}) {
        EXPECT_TRUE(doubts_authority(failure(code))) << error_info(code).name;
    }
    for (const auto code : {ErrorCode::ca_http, ErrorCode::ca_timeout, ErrorCode::scep_signature}) {
        EXPECT_FALSE(doubts_authority(failure(code))) << error_info(code).name;
    }
    EXPECT_TRUE(doubts_authority(rejected(scep::FailInfo::bad_message_check)));
    EXPECT_TRUE(doubts_authority(rejected(scep::FailInfo::bad_alg)));
    EXPECT_FALSE(doubts_authority(rejected(scep::FailInfo::bad_request)));
    EXPECT_FALSE(doubts_authority(RequestRejected{{}, Error(ErrorCode::ca_rejected, "no")}));
    EXPECT_FALSE(doubts_authority(RequestPending{}));
}

TEST(IdentityStep, a_start_retries_whatever_the_backoff_says_but_a_timer_that_is_not_due_does_not) {
    Walk walk;
    walk.to_sent().on(failure(ErrorCode::ca_timeout)).on(Due{});
    EXPECT_TRUE(walk.effects.empty());
    walk.on(Started{});
    EXPECT_TRUE(walk.only<SendRequest>());
}

TEST(IdentityStep, invariant_5_the_forty_eighth_answered_message_without_success_holds_the_identity) {
    Walk walk;
    walk.to_sent();
    for (int i = 0; i < 47; ++i) {
        walk.on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true}).on(Started{});
        ASSERT_EQ(walk.state.phase, Phase::need_submit) << i;
    }
    walk.on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true});
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.state.hold->reason, HoldReason::message_cap);
    EXPECT_EQ(walk.state.counters.messages, 48U);
    walk.now += Seconds(86400);
    walk.on(Started{});
    EXPECT_TRUE(walk.only<SendRequest>());
    walk.on(EffectFailed{Error(ErrorCode::scep_signature, "bad"), true});
    EXPECT_EQ(walk.state.phase, Phase::held) << "one retry a day, counted apart";
}

TEST(IdentityStep, invariant_5_unanswered_messages_do_not_count) {
    Walk walk;
    walk.to_sent();
    for (int i = 0; i < 100; ++i) {
        walk.on(failure(ErrorCode::ca_unreachable)).on(Started{});
    }
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_EQ(walk.state.counters.messages, 0U);
}

TEST(IdentityStep, C5_invariant_5_the_third_certificate_that_is_refused_holds_the_identity) {
    Walk walk;
    walk.to_sent();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(walk.state.phase, Phase::need_submit);
        walk.on(Started{}).on(EffectFailed{Error(ErrorCode::scep_key_mismatch, "other key"), true, true});
    }
    EXPECT_EQ(walk.state.hold->reason, HoldReason::message_cap);
}

TEST(IdentityStep, events_that_make_no_sense_in_a_phase_change_nothing) {
    const std::vector<Event> all{KeyReady{{9}},
                                 RequestPrepared{prepared()},
                                 CertificateIssued{issued()},
                                 RequestPending{},
                                 RequestRejected{{}, Error(ErrorCode::ca_rejected, "no")},
                                 AuthorityReconsidered{true},
                                 AuthorityReconsidered{false},
                                 GenerationPublished{1},
                                 PublicationFailed{Error(ErrorCode::publish_write, "no")},
                                 Delivered{1},
                                 KeyDestroyed{{9}},
                                 Cancelled{},
                                 failure(ErrorCode::ca_timeout)};
    Walk fresh;
    Walk done;
    done.to_valid();
    for (Walk* walk : {&fresh, &done}) {
        const IdentityState before = walk->state;
        for (const Event& event : all) {
            walk->on(event);
            EXPECT_EQ(walk->state, before) << event.index();
            EXPECT_TRUE(walk->effects.empty()) << event.index();
        }
    }
    Walk publishing;
    const IdentityState before = publishing.to_publish().state;
    EXPECT_EQ(publishing.on(GenerationPublished{7}).state, before) << "another generation is not ours";
    EXPECT_EQ(publishing.on(CertificateIssued{issued()}).state, before);
}

TEST(IdentityStep, an_existing_key_takes_the_place_of_the_committed_id_and_is_marked_as_not_ours) {
    Walk walk;
    walk.to_key().on(KeyReady{{7}, {0x9a, 1}});
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_EQ(walk.state.enrollment->key, (KeyRecord{{0x9a, 1}, {7}, true}));
}

TEST(IdentityStep, what_is_made_after_an_existing_key_never_takes_its_id) {
    Walk walk;
    walk.to_key().on(KeyReady{{7}, {0x9a, 1}}).on(RequestPrepared{prepared()});
    walk.rules.request_mark = {102};
    const std::uint8_t drawn = walk.octet;
    walk.on(Started{});
    ASSERT_EQ(walk.state.phase, Phase::need_key);
    EXPECT_EQ(walk.state.enrollment->key, (KeyRecord{Bytes(16, drawn), {}, false}));
    ASSERT_EQ(walk.effects.size(), 1U);
    EXPECT_EQ(std::get<MakeKey>(walk.effects[0]).key_id, Bytes(16, drawn));
}

TEST(IdentityStep, a_published_existing_key_stays_marked) {
    Walk walk;
    walk.to_key().on(KeyReady{{7}, {0x9a, 1}}).on(RequestPrepared{prepared()}).on(CertificateIssued{issued()});
    walk.on(GenerationPublished{walk.state.last_generation});
    ASSERT_EQ(walk.state.phase, Phase::valid);
    EXPECT_TRUE(walk.state.current->key.adopted);
}

}  // namespace
}  // namespace hwenroll::lifecycle
