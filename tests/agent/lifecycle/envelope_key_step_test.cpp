// The rows that an RSA key beside an EC key adds (ENV-14, TOK-2): it signs the request and opens the reply.
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

Walk with_envelope_key() {
    Walk walk;
    walk.rules.envelope_key = true;
    walk.rules.token = "lab";
    return walk;
}

KeyReady envelope_ready() {
    return {{0xE7}, {}, "", "lab", "", true};
}

/// The identity's key is there, the other one is to be made.
Walk to_envelope_key() {
    Walk walk = with_envelope_key();
    walk.to_submit();
    return walk;
}

/// A request that the envelope key signs.
Transaction by_envelope_key(const Walk& walk) {
    Transaction transaction = prepared();
    transaction.signer_certificate = {0xE2};
    transaction.signer_key = walk.state.enrollment->envelope_key;
    return transaction;
}

Walk to_sent() {
    Walk walk = to_envelope_key();
    walk.on(envelope_ready());
    walk.on(RequestPrepared{by_envelope_key(walk)});
    return walk;
}

TEST(EnvelopeKeyStep, ENV_14_invariant_9_its_id_is_committed_before_it_is_made_and_after_the_identity_s_key) {
    Walk walk = with_envelope_key();
    walk.to_key();
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_FALSE(walk.effect<MakeKey>().envelope);
    EXPECT_FALSE(walk.state.enrollment->envelope_key);
    walk.on(KeyReady{{7}});
    EXPECT_EQ(walk.state.phase, Phase::need_key);
    ASSERT_TRUE(walk.state.enrollment->envelope_key);
    EXPECT_TRUE(walk.state.enrollment->envelope_key->spki.empty());
    EXPECT_EQ(walk.state.enrollment->envelope_key->token, "lab") << "where it goes if nobody ever knows that it exists";
    EXPECT_NE(walk.state.enrollment->envelope_key->id, walk.state.enrollment->key.id);
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_TRUE(walk.effect<MakeKey>().envelope);
    EXPECT_EQ(walk.effect<MakeKey>().key_id, walk.state.enrollment->envelope_key->id);
}

TEST(EnvelopeKeyStep, T17_SM_16_a_restart_before_it_is_known_asks_for_the_same_id) {
    Walk walk = to_envelope_key();
    const Bytes id = walk.state.enrollment->envelope_key->id;
    walk.on(Started{});
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_TRUE(walk.effect<MakeKey>().envelope);
    EXPECT_EQ(walk.effect<MakeKey>().key_id, id);
}

TEST(EnvelopeKeyStep, ENV_14_with_both_keys_there_the_request_is_prepared) {
    Walk walk = to_envelope_key();
    walk.on(envelope_ready());
    EXPECT_EQ(walk.state.phase, Phase::need_submit);
    EXPECT_EQ(walk.state.enrollment->envelope_key->spki, Bytes{0xE7});
    EXPECT_EQ(walk.state.enrollment->key.spki, Bytes{7});
    EXPECT_TRUE(walk.only<PrepareRequest>());
}

TEST(EnvelopeKeyStep, ENV_14_an_answer_about_the_other_key_is_none) {
    Walk walk = to_envelope_key();
    const IdentityState before = walk.state;
    EXPECT_EQ(walk.on(KeyReady{{8}}).state, before);
    EXPECT_TRUE(walk.effects.empty());
    Walk first = with_envelope_key();
    first.to_key();
    const IdentityState unmade = first.state;
    EXPECT_EQ(first.on(envelope_ready()).state, unmade);
}

TEST(EnvelopeKeyStep, ENV_14_RT_5_the_request_keeps_it_as_its_signer_over_restarts_and_polls) {
    Walk walk = to_sent();
    EXPECT_TRUE(walk.only<SendRequest>());
    EXPECT_TRUE(walk.state.enrollment->transaction->signer_mark.empty()) << "it is no manufacturer's";
    const auto key = walk.state.enrollment->envelope_key;
    walk.on(Started{});
    ASSERT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(walk.state.enrollment->transaction->signer_key, key);
    walk.on(RequestPending{});
    EXPECT_EQ(walk.state.phase, Phase::pending);
    walk.on(Started{});
    EXPECT_FALSE(walk.emits<MakeKey>());
    walk.due_at(walk.state.wait.until);
    ASSERT_TRUE(walk.only<SendPoll>());
    EXPECT_EQ(walk.state.enrollment->envelope_key, key);
    EXPECT_EQ(walk.retired(key->id), nullptr);
}

TEST(EnvelopeKeyStep, ENV_14_T24_with_the_certificate_it_is_needed_no_more_and_destroyed) {
    Walk walk = to_sent();
    const Bytes id = walk.state.enrollment->envelope_key->id;
    walk.on(CertificateIssued{issued()});
    ASSERT_NE(walk.retired(id), nullptr);
    EXPECT_EQ(walk.retired(id)->key.token, "lab");
    walk.published();
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, id);
    EXPECT_EQ(walk.effect<DestroyKey>().token, "lab");
    walk.on(KeyDestroyed{id});
    EXPECT_TRUE(walk.state.retired.empty());
    EXPECT_EQ(walk.state.current->key.spki, Bytes{7});
}

TEST(EnvelopeKeyStep, ENV_14_a_renewal_has_one_of_its_own_and_is_not_the_current_certificate_s_to_sign) {
    Walk walk = to_sent();
    const Bytes first = walk.state.enrollment->envelope_key->id;
    walk.on(CertificateIssued{issued()}).published().on(KeyDestroyed{first});
    walk.due_at(start + 18 * hour).on(KeyReady{{8}});
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_TRUE(walk.effect<MakeKey>().envelope);
    EXPECT_NE(walk.effect<MakeKey>().key_id, first);
    walk.on(envelope_ready()).on(RequestPrepared{by_envelope_key(walk)});
    ASSERT_TRUE(walk.only<SendRequest>());
    // What it was signed with is not the current certificate, and that is no reason to begin anew.
    walk.on(Started{});
    EXPECT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
}

TEST(EnvelopeKeyStep, ENV_14_T19_a_full_token_gives_up_the_new_key_not_the_current_one) {
    Walk walk = to_sent();
    const Bytes first = walk.state.enrollment->envelope_key->id;
    walk.on(CertificateIssued{issued()}).published().on(KeyDestroyed{first});
    walk.rules.new_key = KeyRule::prefer;
    walk.due_at(start + 18 * hour).on(KeyReady{{8}});
    const Bytes unused = walk.state.enrollment->key.id;
    walk.on(failure(ErrorCode::token_full));
    EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key);
    EXPECT_NE(walk.retired(unused), nullptr);
    walk.on(failure(ErrorCode::token_full));
    EXPECT_EQ(walk.state.enrollment->key, walk.state.current->key);
    EXPECT_EQ(walk.retired(walk.state.current->key.id), nullptr);
}

TEST(EnvelopeKeyStep, ENV_14_another_configuration_gives_it_up_and_does_without_one) {
    Walk walk = to_sent();
    const Bytes id = walk.state.enrollment->envelope_key->id;
    walk.rules.envelope_key = false;
    walk.rules.request_mark = {102};
    walk.on(Started{});
    EXPECT_FALSE(walk.state.enrollment->envelope_key);
    ASSERT_NE(walk.retired(id), nullptr);
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_FALSE(walk.effect<MakeKey>().envelope);
    walk.on(KeyReady{{7}});
    EXPECT_TRUE(walk.only<PrepareRequest>());
}

TEST(EnvelopeKeyStep, ENV_14_a_cancelled_request_keeps_it_until_the_hold_ends) {
    Walk walk = to_sent();
    const auto key = walk.state.enrollment->envelope_key;
    walk.on(Cancelled{});
    EXPECT_EQ(walk.state.phase, Phase::held);
    EXPECT_EQ(walk.retired(key->id), nullptr);
    walk.on(Resumed{}).due_at(walk.now + minute);
    ASSERT_TRUE(walk.only<PrepareRequest>());
    EXPECT_EQ(walk.state.enrollment->envelope_key, key);
}

}  // namespace
}  // namespace hwenroll::lifecycle
