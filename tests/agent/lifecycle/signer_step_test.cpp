// The rows that a manufacturer's certificate as the signer of a first request adds (SIG-4).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

const KeyRecord maker_key{{0xE0}, {0xE1}, true};

/// A request that the manufacturer's key signed.
Transaction by_manufacturer() {
    Transaction transaction = prepared();
    transaction.signer_certificate = {0xE2};
    transaction.signer_key = maker_key;
    transaction.signer_chain = {{0xE3}};
    return transaction;
}

Walk to_sent() {
    Walk walk;
    walk.rules.signer_mark = {0xEE};
    walk.to_submit().on(RequestPrepared{by_manufacturer()});
    return walk;
}

TEST(SignerStep, SIG_4_RT_5_the_request_keeps_its_signer_over_restarts) {
    Walk walk = to_sent();
    const Transaction first = *walk.state.enrollment->transaction;
    EXPECT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(first.signer_key, maker_key);
    EXPECT_EQ(first.signer_mark, walk.rules.signer_mark);
    walk.on(Started{});
    ASSERT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(walk.state.enrollment->transaction->id, first.id);
    EXPECT_EQ(walk.state.enrollment->transaction->signer_certificate, first.signer_certificate);
    EXPECT_EQ(walk.state.enrollment->transaction->signer_chain, first.signer_chain);
}

TEST(SignerStep, SIG_4_a_pending_request_ends_when_its_signer_is_configured_no_more) {
    Walk walk = to_sent();
    walk.on(RequestPending{});
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_TRUE(walk.effects.empty()) << "the same key can poll";
    walk.rules.signer_mark = {};
    walk.on(Started{});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.state.enrollment->transaction);
    EXPECT_EQ(walk.note,
              "the manufacturer's key that signed the request is not configured any more, a new request begins");
}

TEST(SignerStep, SIG_4_a_pending_request_of_the_new_key_outlives_a_signer_that_comes) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    walk.rules.signer_mark = {0xEE};
    walk.rules.configuration_mark = {2};
    walk.on(Started{});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_TRUE(walk.state.enrollment->transaction);
}

TEST(SignerStep, SIG_4_the_manufacturer_s_key_is_nowhere_once_the_certificate_is_there) {
    Walk walk = to_sent();
    walk.on(CertificateIssued{issued()}).published();
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_NE(walk.state.current->key.id, maker_key.id);
    EXPECT_FALSE(walk.retired(maker_key.id));
}

TEST(SignerStep, SIG_4_O7_a_cancelled_request_does_not_retire_the_manufacturer_s_key) {
    Walk walk = to_sent();
    walk.on(Cancelled{});
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_TRUE(walk.state.retired.empty());
    EXPECT_FALSE(walk.state.enrollment->transaction);
}

TEST(SignerStep, SIG_4_SM_14_an_expired_identity_is_signed_for_by_the_manufacturer_again) {
    Walk walk = to_sent();
    walk.on(CertificateIssued{issued()}).published();
    walk.at(start + 2 * day).on(Started{1, 1, true});
    ASSERT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    walk.on(KeyReady{{8}});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    walk.on(RequestPrepared{by_manufacturer()}).on(Started{1, 1, true});
    EXPECT_TRUE(walk.only<SendRequest>()) << "its signer is not expected to be the current certificate";
    EXPECT_EQ(walk.state.enrollment->transaction->signer_mark, walk.rules.signer_mark);
}

TEST(SignerStep, SIG_4_REN_6_what_was_learnt_of_the_manufacturer_s_renewal_req_is_forgotten_with_the_certificate) {
    Walk walk;
    walk.rules.signer_mark = {0xEE};
    Transaction request = by_manufacturer();
    request.type = scep::MessageType::renewal_req;
    walk.to_submit().on(RequestPrepared{request}).on(rejected(scep::FailInfo::bad_request));
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_FALSE(walk.effect<PrepareRequest>().by_renewal_req);
    walk.on(RequestPrepared{by_manufacturer()}).on(CertificateIssued{issued()}).published();
    walk.due_at(start + 18 * hour).on(KeyReady{{8}});
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_TRUE(walk.effect<PrepareRequest>().by_renewal_req) << "the CA's own certificate may do better";
}

TEST(SignerStep, REN_3_a_renewal_is_of_no_use_without_the_certificate_that_signed_it_whatever_the_signer) {
    Walk walk;
    walk.rules.signer_mark = {0xEE};
    walk.to_renewal_sent();
    EXPECT_TRUE(walk.state.enrollment->transaction->signer_mark.empty());
    walk.rules.signer_mark = {};
    walk.on(Started{1, 1, true});
    EXPECT_TRUE(walk.only<SendRequest>()) << "the manufacturer has nothing to do with it";
}

}  // namespace
}  // namespace hwenroll::lifecycle
