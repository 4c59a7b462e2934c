// Replies to signers with EC keys, and requests under the challenge (SRV-4, SRV-12).
#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;
using namespace test;

class EnvelopeTest : public LabCaTest {
 protected:
    void start_with(ReplyEnvelope envelope, bool ec_ca = false) {
        LabCaOptions changed = options();
        changed.directory = directory_ / (ec_ca ? "ec" : "rsa");
        changed.reply_envelope = envelope;
        changed.rollover.ec_key = ec_ca;
        start(std::move(changed));
        identity_ = ClientIdentity::make("CN=web01.example.com,O=Example", clock_.now(), 0);
    }

    HttpReply answer(const RequestRecipe& recipe) { return ca_->answer(post_request(request(recipe))); }
};

TEST_F(EnvelopeTest, SRV_12_an_ec_signer_is_answered_by_key_agreement) {
    start_with(ReplyEnvelope::by_key);
    const OpenedReply reply = send({});
    EXPECT_EQ(reply.status(), "0");
    EXPECT_EQ(leaf(reply, identity_).subject(), identity_.certificate->subject());
    EXPECT_THAT(last_finding_ids(directory_ / "rsa"), IsEmpty());
}

TEST_F(EnvelopeTest, SRV_12_an_ec_signer_is_answered_under_the_challenge_where_that_is_set) {
    start_with(ReplyEnvelope::by_password);
    const HttpReply reply = answer({});
    EXPECT_EQ(leaf(open_reply(reply.body, ca_->certificate(), identity_, "lab-secret"), identity_).subject(),
              identity_.certificate->subject());
    EXPECT_THROW(open_reply(reply.body, ca_->certificate(), identity_, "another"), std::runtime_error);
    EXPECT_THROW(open_reply(reply.body, ca_->certificate(), identity_), std::runtime_error);
}

TEST_F(EnvelopeTest, SRV_12_BAD_101_an_rsa_signer_is_answered_under_the_challenge_only_by_mistake) {
    for (const ReplyEnvelope envelope : {ReplyEnvelope::by_password, ReplyEnvelope::always_password}) {
        start_with(envelope);
        identity_ = ClientIdentity::make("CN=web01.example.com,O=Example", clock_.now());
        RequestRecipe recipe;
        recipe.transaction_id = envelope == ReplyEnvelope::by_password ? "01" : "02";
        const HttpReply reply = answer(recipe);
        const bool right = envelope == ReplyEnvelope::by_password;
        const OpenedReply opened = open_reply(reply.body, ca_->certificate(), identity_,
                                              right ? std::nullopt : std::optional<std::string>("lab-secret"));
        EXPECT_EQ(opened.certificates.size(), 2U);
    }
}

TEST_F(EnvelopeTest, SRV_4_ENV_5_a_ca_with_an_ec_key_reads_requests_under_the_challenge) {
    start_with(ReplyEnvelope::by_password, true);
    EXPECT_EQ(ca_->certificate().public_key().text(), "EC P-256");
    RequestRecipe recipe;
    recipe.password = "lab-secret";
    const HttpReply reply = answer(recipe);
    EXPECT_EQ(leaf(open_reply(reply.body, ca_->certificate(), identity_, "lab-secret"), identity_).issuer(),
              ca_->certificate().subject());
    // libcrypto's own parameters are not those of ENV-6.
    EXPECT_THAT(last_finding_ids(directory_ / "ec"), testing::Each(testing::StrEq("ENV-6")));
}

TEST_F(EnvelopeTest, ENV_5_a_wrong_challenge_is_badMessageCheck_and_one_too_many_is_noted) {
    start_with(ReplyEnvelope::by_key);
    RequestRecipe recipe;
    recipe.password = "another-secret";
    const OpenedReply refused = send(recipe);
    EXPECT_EQ(refused.status(), "2/1");
    EXPECT_THAT(last_finding_ids(directory_ / "rsa"), testing::Contains("ENV-5")) << "this CA has an RSA key";
}

TEST_F(EnvelopeTest, ENV_14_an_rsa_key_may_sign_for_an_ec_key_and_not_for_another_rsa_key) {
    const ClientIdentity ec = ClientIdentity::make(identity_.subject, clock_.now(), 0);
    RequestRecipe recipe;
    recipe.requested = &ec;
    EXPECT_EQ(leaf(send(recipe), ec).subject(), identity_.certificate->subject());
    EXPECT_THAT(findings(), IsEmpty());
    const ClientIdentity rsa = ClientIdentity::make(identity_.subject, clock_.now());
    recipe.requested = &rsa;
    recipe.transaction_id = "02";
    EXPECT_EQ(send(recipe).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("SIG-1"));
}

}  // namespace
}  // namespace hwenroll::lab_ca
