// Each switch of a reply (SRV-12), read by libcrypto's CMS or by the lab CA's own reader.
#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using namespace test;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

class ReplyShapeTest : public LabCaTest {
 protected:
    void start(const ReplyShape& shape) {
        LabCaOptions wanted = options();
        wanted.reply = shape;
        wanted.allow_weak_requests = true;
        LabCaTest::start(std::move(wanted));
    }

    /// The octets of the answer to a good request, or to one with `recipe`.
    Bytes answer(const RequestRecipe& recipe = {}) {
        const HttpReply reply = ca_->answer(post_request(request(recipe)));
        EXPECT_EQ(reply.status, 200) << as_text(reply.body);
        return reply.body;
    }

    OpenedReply open(const Bytes& octets) { return open_reply(octets, ca_->certificate(), identity_); }

    static SignerSyntax signer_of(const Bytes& octets) { return read_signed_data(octets).value().signers.at(0); }

    static EnvelopedDataSyntax envelope_of(const Bytes& octets) {
        return read_enveloped_data(read_signed_data(octets).value().content.value()).value();
    }

    RequestRecipe refused_ = [] {
        RequestRecipe recipe;
        recipe.challenge = "wrong";
        return recipe;
    }();
};

TEST_F(ReplyShapeTest, SRV_12_ciphers) {
    int transaction = 0;
    for (const auto& [name, oid] :
         std::vector<std::pair<const char*, const char*>>{{"AES-128-CBC", "2.16.840.1.101.3.4.1.2"},
                                                          {"AES-192-CBC", "2.16.840.1.101.3.4.1.22"},
                                                          {"AES-256-CBC", "2.16.840.1.101.3.4.1.42"},
                                                          {"DES-EDE3-CBC", "1.2.840.113549.3.7"},
                                                          {"DES-CBC", "1.3.14.3.2.7"}}) {
        SCOPED_TRACE(name);
        ReplyShape shape;
        shape.cipher = name;
        start(shape);
        RequestRecipe recipe;
        recipe.transaction_id = std::to_string(++transaction);
        const Bytes octets = answer(recipe);
        const EnvelopedDataSyntax envelope = envelope_of(octets);
        EXPECT_EQ(envelope.cipher.oid, oid);
        const auto floor = AlgorithmFloor::with_weak_algorithms().value();
        const auto opened = open_envelope(envelope, envelope.recipients.at(0), identity_.key.get(), floor);
        ASSERT_TRUE(opened) << opened.error().text;
        EXPECT_EQ(read_signed_data(*opened).value().certificates.size(), 2U);
    }
}

TEST_F(ReplyShapeTest, SRV_12_single_DES_needs_the_weak_algorithms) {
    LabCaOptions wanted = options();
    wanted.reply.cipher = "DES-CBC";
    const auto refused = LabCa::open(std::move(wanted), clock_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::config_value);
}

TEST_F(ReplyShapeTest, SRV_12_digests) {
    int transaction = 0;
    for (const char* name : {"SHA1", "SHA256", "SHA384", "SHA512"}) {
        SCOPED_TRACE(name);
        ReplyShape shape;
        shape.digest = name;
        start(shape);
        RequestRecipe recipe;
        recipe.transaction_id = std::to_string(++transaction);
        const Bytes octets = answer(recipe);
        EXPECT_STREQ(digest_of(signer_of(octets).digest.oid)->name, name);
        EXPECT_TRUE(open(octets).signature_good);
    }
}

TEST_F(ReplyShapeTest, SRV_12_cipher_and_digest_may_follow_the_request) {
    ReplyShape shape;
    shape.cipher.clear();
    shape.digest.clear();
    start(shape);
    RequestRecipe recipe;
    recipe.cipher = EVP_aes_256_cbc();
    recipe.digest = EVP_sha512();
    const Bytes octets = answer(recipe);
    EXPECT_EQ(envelope_of(octets).cipher.oid, "2.16.840.1.101.3.4.1.42");
    EXPECT_STREQ(digest_of(signer_of(octets).digest.oid)->name, "SHA512");
    EXPECT_TRUE(open(octets).signature_good);
}

TEST_F(ReplyShapeTest, SRV_12_the_recipient_by_key_identifier_and_by_OAEP) {
    ReplyShape shape;
    shape.key_identifier = true;
    shape.oaep = true;
    // A certificate of this CA, unlike the client's self-signed one, surely has a subjectKeyIdentifier.
    identity_.certificate = leaf(send({}), identity_);
    start(shape);
    RequestRecipe recipe;
    recipe.transaction_id = "2";
    const Bytes octets = answer(recipe);
    const RecipientSyntax recipient = envelope_of(octets).recipients.at(0);
    EXPECT_FALSE(recipient.id);
    EXPECT_EQ(recipient.key_algorithm.oid, "1.2.840.113549.1.1.7");
    EXPECT_EQ(open(octets).certificates.size(), 2U);
}

TEST_F(ReplyShapeTest, SRV_12_certificates_in_any_number_and_order) {
    ReplyShape shape;
    shape.certificates = ReplyCertificates::leaf;
    start(shape);
    EXPECT_EQ(open(answer()).certificates.size(), 1U);

    shape.certificates = ReplyCertificates::stranger;
    start(shape);
    const auto three = open(answer()).certificates;
    EXPECT_EQ(three.size(), 3U);
    EXPECT_THAT(three, Contains(testing::ResultOf([](const auto& c) { return c.subject().text(); }, "CN=a stranger")));

    shape.certificates = ReplyCertificates::issuer;
    for (const ReplyOrder order : {ReplyOrder::leaf_first, ReplyOrder::leaf_last}) {
        shape.order = order;
        start(shape);
        const auto two = open(answer()).certificates;
        ASSERT_EQ(two.size(), 2U);
        EXPECT_EQ(two[order == ReplyOrder::leaf_first ? 1 : 0], ca_->certificate());
    }
}

TEST_F(ReplyShapeTest, SRV_12_the_chain_of_an_intermediate) {
    LabCaOptions wanted = options();
    wanted.directory = directory_ / "two";
    wanted.hierarchy.topology = Topology::intermediate;
    wanted.reply.certificates = ReplyCertificates::chain;
    LabCaTest::start(std::move(wanted));
    const auto certificates = open(answer()).certificates;
    ASSERT_EQ(certificates.size(), 3U);
    EXPECT_THAT(certificates, Contains(ca_->certificate()));
}

TEST_F(ReplyShapeTest, SRV_12_without_nonce_signingTime_or_certificate) {
    ReplyShape shape;
    shape.sender_nonce = false;
    shape.signing_time = false;
    shape.signer_certificate = false;
    start(shape);
    const Bytes octets = answer();
    const OpenedReply reply = open(octets);
    EXPECT_TRUE(reply.signature_good);
    EXPECT_EQ(reply.status(), "0");
    EXPECT_EQ(reply.scep(5), "");
    EXPECT_NE(reply.scep(6), "");
    EXPECT_THAT(signer_of(octets).attributes("1.2.840.113549.1.9.5"), IsEmpty());
    EXPECT_THAT(read_signed_data(octets).value().certificates, IsEmpty());
    EXPECT_THAT(read_signed_data(octets).value().deviations, IsEmpty());
    EXPECT_EQ(reply.certificates.size(), 2U);
}

TEST_F(ReplyShapeTest, SRV_12_without_failInfoText) {
    ReplyShape shape;
    shape.fail_info_text = false;
    start(shape);
    const OpenedReply reply = open(answer(refused_));
    EXPECT_TRUE(reply.signature_good);
    EXPECT_EQ(reply.status(), "2/2");
    EXPECT_FALSE(reply.attributes.contains("1.3.6.1.5.5.7.24.1"));
}

TEST_F(ReplyShapeTest, SRV_12_BER_of_indefinite_length) {
    ReplyShape shape;
    shape.indefinite = true;
    start(shape);
    const Bytes octets = answer();
    EXPECT_EQ(octets.at(1), 0x80);
    EXPECT_THAT(read_signed_data(octets).value().deviations, Not(IsEmpty()));
    EXPECT_THAT(envelope_of(octets).deviations, Not(IsEmpty()));
    const OpenedReply reply = open(octets);
    EXPECT_TRUE(reply.signature_good);
    EXPECT_EQ(reply.certificates.size(), 2U);
    EXPECT_EQ(open(answer(refused_)).status(), "0") << "the same transaction has the same answer";
    refused_.transaction_id = "2";
    EXPECT_EQ(open(answer(refused_)).status(), "2/2");
}

TEST_F(ReplyShapeTest, SRV_12_Q_NDES_3_a_failure_of_NDES) {
    ReplyShape shape;
    shape.ndes_failure = true;
    start(shape);
    const Bytes octets = answer(refused_);
    const SignedDataSyntax syntax = read_signed_data(octets).value();
    EXPECT_EQ(syntax.content, (Bytes{0}));
    EXPECT_THAT(syntax.certificates, IsEmpty());
    const SignerSyntax& signer = syntax.signers.at(0);
    EXPECT_STREQ(digest_of(signer.digest.oid)->name, "SHA1");
    EXPECT_THAT(signer.attributes("1.2.840.113549.1.9.5"), IsEmpty());
    EXPECT_NE(signer.single_value("2.16.840.1.113733.1.9.5"), nullptr);
    const AttributeValue* result = signer.single_value("1.3.6.1.4.1.311.21.33");
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(as_text(result->content), "-2147024809");
    EXPECT_EQ(result->tag, asn1_tag::printable_string);
    const std::string sha1_of_nought = "5BA93C9DB0CFF93F52B521D7420E43F6EDA2784F";
    EXPECT_EQ(to_hex(signer.single_value("1.2.840.113549.1.9.4")->content), sha1_of_nought);
    // Its SUCCESS is like everyone's.
    refused_.challenge = "lab-secret";
    const OpenedReply success = open(answer(refused_));
    EXPECT_TRUE(success.signature_good);
    EXPECT_EQ(success.status(), "0");
}

TEST_F(ReplyShapeTest, SRV_12_Q_DOG_1_PENDING_as_a_SUCCESS_of_nothing) {
    LabCaOptions wanted = options();
    wanted.reply.pending_empty = true;
    wanted.decision.pending = 1;
    LabCaTest::start(std::move(wanted));
    const Bytes octets = answer();
    EXPECT_EQ(read_signed_data(octets).value().content, Bytes{});
    const SignerSyntax signer = signer_of(octets);
    EXPECT_EQ(as_text(signer.single_value("2.16.840.1.113733.1.9.3")->content), "0");
    EXPECT_EQ(open(answer()).certificates.size(), 2U);
}

TEST_F(ReplyShapeTest, in_BER_the_signature_of_an_RA_verifies) {
    LabCaOptions wanted = options();
    wanted.directory = directory_ / "three";
    wanted.hierarchy.topology = Topology::split_ra;
    wanted.reply.indefinite = true;
    LabCaTest::start(std::move(wanted));
    const HttpReply reply = ca_->answer(post_request(request({})));  // enveloped for the CA, hence refused
    const auto certificates = read_signed_data(reply.body).value().certificates;
    ASSERT_EQ(certificates.size(), 1U);
    const OpenedReply opened = open_reply(reply.body, Certificate::from_der(certificates[0]).value(), identity_);
    EXPECT_TRUE(opened.signature_good);
    EXPECT_EQ(opened.status(), "2/1");
}

}  // namespace
}  // namespace hwenroll::lab_ca
