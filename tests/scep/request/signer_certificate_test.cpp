#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/certification_request.h"

namespace hwenroll::scep {
namespace {

using test::OpenSslProgram;
using test::present;
using testing::ContainsRegex;
using testing::HasSubstr;

const DistinguishedName& subject() {
    static const DistinguishedName name = DistinguishedName::from_text("CN=web01.example.com,O=Example").value();
    return name;
}

Result<Certificate> build(EVP_PKEY* key, const Bytes& serial = Bytes(16, 0x5A), Digest digest = Digest::sha256) {
    return build_signer_certificate(subject(), key, serial, present() - std::chrono::days(1),
                                    present() + std::chrono::days(14), digest);
}

std::string shown(const Certificate& certificate) {
    OpenSslProgram openssl;
    return OpenSslProgram::run(
               {"x509", "-inform", "DER", "-in", openssl.file("certificate", certificate.der()), "-noout", "-text"})
        .out;
}

TEST(SignerCertificate, SIG_1_SIG_2_openssl_sees_what_a_CA_needs_to_see) {
    const auto certificate = build(test::rsa_key(1).get());
    ASSERT_TRUE(certificate) << certificate.error().line();
    const std::string text = shown(*certificate);
    EXPECT_THAT(text, HasSubstr("Version: 3 (0x2)"));
    EXPECT_THAT(text, ContainsRegex("X509v3 Key Usage: critical\n *Digital Signature, Key Encipherment\n"));
    EXPECT_THAT(text, ContainsRegex("X509v3 Basic Constraints: critical\n *CA:FALSE\n"));
    const auto* identifier = X509_get0_subject_key_id(certificate->get());
    ASSERT_NE(identifier, nullptr);
    EXPECT_EQ(ASN1_STRING_length(identifier), 20);
    EXPECT_THAT(text, ContainsRegex("X509v3 Subject Key Identifier: *\n"));
    EXPECT_THAT(text, HasSubstr("Not Before: Nov 22 18:00:00 2026 GMT"));
    EXPECT_THAT(text, HasSubstr("Not After : Dec  7 18:00:00 2026 GMT"));
    EXPECT_EQ(certificate->subject(), subject());
    EXPECT_EQ(certificate->issuer(), subject());
    EXPECT_EQ(certificate->public_key(), PublicKey::of(test::rsa_key(1).get()).value());
    EXPECT_EQ(test::der_fault(certificate->der()), "");
}

TEST(SignerCertificate, SIG_2_openssl_verifies_its_signature) {
    const auto certificate = build(test::rsa_key(1).get());
    ASSERT_TRUE(certificate);
    OpenSslProgram openssl;
    const std::string file = openssl.file("certificate", certificate->der());
    const auto outcome =
        OpenSslProgram::run({"verify", "-partial_chain", "-check_ss_sig", "-attime",
                             std::to_string(present().time_since_epoch().count()), "-trusted", file, file});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

TEST(SignerCertificate, SIG_2_its_serial_is_positive_and_of_16_octets_whatever_was_drawn) {
    for (const Bytes& drawn : {Bytes(16, 0x00), Bytes(16, 0xFF), Bytes(16, 0x80), Bytes(16, 0x7F)}) {
        const auto certificate = build(test::rsa_key(1).get(), drawn);
        ASSERT_TRUE(certificate);
        const Bytes serial = certificate->serial();
        ASSERT_EQ(serial.size(), 16U);
        EXPECT_EQ(serial[0] & 0x80U, 0U);
        EXPECT_EQ(ASN1_STRING_type(X509_get0_serialNumber(certificate->get())), V_ASN1_INTEGER) << "not negative";
        EXPECT_EQ(Bytes(serial.begin() + 1, serial.end()), Bytes(drawn.begin() + 1, drawn.end()));
    }
    EXPECT_FALSE(build(test::rsa_key(1).get(), Bytes(8, 1))) << "16 octets are required";
}

TEST(SignerCertificate, ALG_11_its_digest_is_the_one_asked_for) {
    const auto certificate = build(test::rsa_key(1).get(), Bytes(16, 1), Digest::sha512);
    ASSERT_TRUE(certificate);
    EXPECT_THAT(shown(*certificate), HasSubstr("sha512WithRSAEncryption"));
}

TEST(SignerCertificate, SIG_2_an_empty_subject_gets_a_placeholder) {
    const auto certificate = build_signer_certificate({}, test::rsa_key(1).get(), Bytes(16, 1), present(),
                                                      present() + std::chrono::days(1), Digest::sha256);
    ASSERT_TRUE(certificate);
    EXPECT_FALSE(certificate->subject().empty());
    EXPECT_TRUE(certificate->is_self_issued());
}

TEST(SignerCertificate, SIG_1_an_EC_key_claims_no_encipherment) {
    const auto certificate = build(test::new_ec_key().get());
    ASSERT_TRUE(certificate);
    EXPECT_THAT(shown(*certificate), ContainsRegex("critical\n *Digital Signature, Key Agreement\n"));
}

TEST(SignerCertificate, SIG_2_after_2049_it_uses_GeneralizedTime) {
    using namespace std::chrono;
    const TimePoint late = sys_days(year(2050) / 1 / 1);
    const auto certificate = build_signer_certificate(subject(), test::rsa_key(1).get(), Bytes(16, 1),
                                                      late - seconds(1), late, Digest::sha256);
    ASSERT_TRUE(certificate);
    EXPECT_EQ(ASN1_STRING_type(X509_get0_notBefore(certificate->get())), V_ASN1_UTCTIME);
    EXPECT_EQ(ASN1_STRING_type(X509_get0_notAfter(certificate->get())), V_ASN1_GENERALIZEDTIME);
    EXPECT_EQ(certificate->not_after(), late);
}

TEST(SignerCertificate, TOK_1_a_token_key_signs_once) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    ASSERT_TRUE(build(key.get()));
    EXPECT_EQ(token->signatures, 1);
    EXPECT_EQ(token->decryptions, 0);
    token->refuse = true;
    EXPECT_EQ(build(key.get()).error().code(), ErrorCode::crypto);
    EXPECT_EQ(token->signatures, 2);
}

TEST(SignerCertificate, a_wrong_signature_never_leaves) {
    const auto spoiled = build(test::faulty_rsa_key(test::rsa_key(1)).get());
    ASSERT_FALSE(spoiled);
    EXPECT_EQ(spoiled.error().code(), ErrorCode::crypto);
    EXPECT_THAT(spoiled.error().line(), HasSubstr("does not verify"));
}

}  // namespace
}  // namespace hwenroll::scep
