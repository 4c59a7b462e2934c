// `resync`: what becomes of a request whose answer never came, in every order (RT-3, RT-4, FI-4).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

/// A request that was sent and whose answer was lost, under this order.
Walk lost(std::vector<Resync> order) {
    Walk walk;
    walk.rules.resync = std::move(order);
    walk.to_sent().on(failure(ErrorCode::ca_timeout));
    return walk;
}

Walk& again(Walk& walk) {
    return walk.at(walk.now + hour).on(Due{});
}

const scep::TransactionId& transaction_of(const Walk& walk) {
    return walk.state.enrollment->transaction.value().id;
}

TEST(ResyncStep, RT_3_same_sends_the_request_again_as_long_as_nobody_answers) {
    Walk walk = lost({Resync::same, Resync::poll, Resync::fresh});
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(again(walk).only<SendRequest>());
        walk.on(failure(ErrorCode::ca_timeout));
    }
    EXPECT_EQ(transaction_of(walk).value, "T1");
}

TEST(ResyncStep, RT_3_RT_4_a_request_that_is_refused_when_it_is_sent_again_is_asked_for_by_poll_and_then_made_anew) {
    Walk walk = lost({Resync::same, Resync::poll, Resync::fresh});
    again(walk).on(rejected(scep::FailInfo::bad_request));
    ASSERT_TRUE(walk.only<SendPoll>());
    EXPECT_EQ(transaction_of(walk).value, "T1");
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_submit);
    walk.on(rejected(scep::FailInfo::bad_cert_id));
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->transaction);
    walk.on(RequestPrepared{prepared()}).on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(walk.state.phase, Phase::held) << "once is enough";
}

TEST(ResyncStep, RT_4_poll_finds_the_certificate_that_was_issued_and_counts_for_no_message) {
    Walk walk = lost({Resync::poll, Resync::fresh});
    const std::uint32_t before = walk.state.counters.messages;
    ASSERT_TRUE(again(walk).only<SendPoll>());
    EXPECT_EQ(transaction_of(walk).value, "T1");
    walk.on(CertificateIssued{issued()});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.counters.messages, before);
}

TEST(ResyncStep, RT_3_poll_may_find_the_request_pending) {
    Walk walk = lost({Resync::poll, Resync::fresh});
    again(walk).on(RequestPending{});
    EXPECT_EQ(attempt_phase(walk.state), Phase::pending);
    EXPECT_EQ(transaction_of(walk).value, "T1");
    ASSERT_TRUE(again(walk).only<SendPoll>());
}

TEST(ResyncStep, RT_3_poll_is_repeated_over_restarts_until_somebody_answers) {
    Walk walk = lost({Resync::poll, Resync::fresh});
    ASSERT_TRUE(again(walk).only<SendPoll>());
    walk.on(failure(ErrorCode::ca_timeout));
    walk.on(Started{});
    EXPECT_TRUE(walk.only<SendPoll>());
}

TEST(ResyncStep, RT_3_poll_that_the_ca_knows_nothing_of_leads_to_the_way_that_follows) {
    Walk anew = lost({Resync::poll, Resync::fresh});
    again(anew).on(rejected(scep::FailInfo::bad_cert_id));
    EXPECT_TRUE(anew.only<PrepareRequest>());
    Walk same = lost({Resync::poll, Resync::same});
    again(same).on(rejected(scep::FailInfo::bad_cert_id));
    ASSERT_TRUE(same.only<SendRequest>());
    EXPECT_EQ(transaction_of(same).value, "T1");
    same.on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(same.state.phase, Phase::held) << "`new` is not in the list";
    Walk only = lost({Resync::poll});
    again(only).on(rejected(scep::FailInfo::bad_cert_id));
    EXPECT_EQ(only.state.phase, Phase::held);
}

TEST(ResyncStep, RT_4_a_certificate_that_a_poll_brought_and_that_was_refused_is_not_polled_for_again) {
    const EffectFailed refused{Error(ErrorCode::scep_certificate, "not valid yet"), true, true};
    // ENV-13: what is under a challenge whose file is just being replaced can be opened later too.
    for (const ErrorCode unopened : {ErrorCode::token_absent, ErrorCode::challenge_source}) {
        for (const bool pending : {false, true}) {
            Walk walk = lost({Resync::poll, Resync::fresh});
            again(walk);
            if (pending) {
                walk.on(RequestPending{});
                again(walk);
            }
            ASSERT_TRUE(walk.only<SendPoll>());
            walk.on(EffectFailed{Error(unopened, "gone"), true, true});
            ASSERT_TRUE(again(walk).only<SendPoll>()) << "what could not be opened can be later";
            walk.on(refused);
            EXPECT_TRUE(again(walk).only<PrepareRequest>());
        }
    }
    Walk forbidden = lost({Resync::poll});
    again(forbidden).on(refused);
    EXPECT_TRUE(again(forbidden).only<SendPoll>()) << "`new` is not in the list";
}

TEST(ResyncStep, RT_1_new_begins_a_new_transaction_at_once) {
    Walk walk = lost({Resync::fresh, Resync::same, Resync::poll});
    ASSERT_TRUE(again(walk).only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->transaction);
    Transaction second = prepared();
    second.id.value = "T2";
    walk.on(RequestPrepared{second});
    ASSERT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(transaction_of(walk).value, "T2");
}

TEST(ResyncStep, RT_5_a_restart_with_a_request_under_way_is_a_lost_answer) {
    Walk walk;
    walk.rules.resync = {Resync::poll, Resync::fresh};
    walk.to_sent().on(Started{});
    EXPECT_TRUE(walk.only<SendPoll>());
}

TEST(ResyncStep, RT_3_a_request_that_never_left_is_sent_whatever_the_order) {
    for (const ErrorCode why : {ErrorCode::ca_unreachable, ErrorCode::token_absent, ErrorCode::token_pin}) {
        for (const Resync first : {Resync::poll, Resync::fresh}) {
            Walk walk;
            walk.rules.resync = {first};
            walk.to_sent().on(failure(why));
            ASSERT_TRUE(again(walk).only<SendRequest>()) << error_info(why).name;
            walk.on(failure(ErrorCode::ca_timeout));
            again(walk);
            EXPECT_FALSE(walk.emits<SendRequest>()) << "now it may have arrived";
        }
    }
}

TEST(ResyncStep, RT_3_without_new_a_refusal_of_what_was_sent_again_holds) {
    Walk walk = lost({Resync::same});
    again(walk).on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(walk.state.phase, Phase::held);
}

TEST(ResyncStep, FI_4_a_pending_request_that_the_ca_forgot_is_made_anew_where_that_is_allowed) {
    for (const bool allowed : {true, false}) {
        Walk walk;
        walk.rules.resync = {Resync::same, Resync::poll};
        if (allowed) {
            walk.rules.resync.push_back(Resync::fresh);
        }
        walk.to_sent().on(RequestPending{});
        again(walk).on(rejected(scep::FailInfo::bad_cert_id));
        EXPECT_EQ(walk.emits<PrepareRequest>(), allowed);
        EXPECT_EQ(attempt_phase(walk.state) == Phase::held, !allowed);
    }
}

TEST(ResyncStep, REN_6_RT_4_a_refused_poll_about_a_RenewalReq_says_nothing_about_the_type) {
    Walk walk;
    walk.rules.resync = {Resync::poll, Resync::fresh};
    walk.to_renewal().on(KeyReady{{8}});
    Transaction request = prepared();
    request.type = scep::MessageType::renewal_req;
    request.signer_key = walk.state.current->key;
    walk.on(RequestPrepared{request}).on(failure(ErrorCode::ca_timeout));
    walk.at(walk.state.wait.until).on(Due{});
    ASSERT_TRUE(walk.only<SendPoll>());
    walk.on(rejected(scep::FailInfo::bad_request));
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_TRUE(walk.effect<PrepareRequest>().by_renewal_req);
}

}  // namespace
}  // namespace hwenroll::lifecycle
