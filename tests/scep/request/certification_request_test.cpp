#include "transport/scep/certification_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/openssl_program.h"

namespace hwenroll::scep {
namespace {

using test::OpenSslProgram;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view canary = "canary-7HQ9";

DistinguishedName name(std::string_view text) {
    return DistinguishedName::from_text(text).value();
}

CertificationRequest web_request() {
    CertificationRequest request;
    request.subject = name("CN=web01.example.com,O=Example");
    request.subject_alt_names = {"dns:web01.example.com",
                                 "ip:192.0.2.1",
                                 "ip:2001:db8::1",
                                 "email:web@example.com",
                                 "uri:https://web01.example.com/id",
                                 "upn:web01@corp.example.com"};
    request.key_usage = {"digitalSignature", "keyEncipherment"};
    request.extended_key_usage = {"serverAuth", "clientAuth", "1.3.6.1.5.5.8.2.2"};
    return request;
}

Secret secret(std::string_view text) {
    return Secret(as_bytes(text));
}

/// The request as `openssl req -verify -text` shows it; fails the test when its signature does not verify.
std::string shown(const Result<Secret>& csr) {
    EXPECT_TRUE(csr) << csr.error().line();
    OpenSslProgram openssl;
    const auto outcome = OpenSslProgram::run({"req", "-inform", "DER", "-in", openssl.file("csr", csr->reveal()),
                                              "-verify", "-noout", "-text", "-nameopt", "RFC2253"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr("ertificate request self-signature verify OK"));
    return outcome.out;
}

std::string structure(ByteView der) {
    OpenSslProgram openssl;
    return OpenSslProgram::run({"asn1parse", "-inform", "DER", "-in", openssl.file("der", der)}).out;
}

TEST(CertificationRequest, CSR_5_none_is_made_for_a_key_below_RSA_2048_and_P_256) {
    for (const test::Key& weak : {test::new_rsa_key(1024), test::new_rsa_key(2040), test::new_ec_key("P-224")}) {
        const auto refused = build_csr(web_request(), weak.get(), secret("secret"));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::config_unsupported);
    }
    EXPECT_TRUE(build_csr(web_request(), test::new_ec_key().get(), secret("secret")));
}

TEST(CertificationRequest, CSR_1_CSR_3_MSG_21_openssl_verifies_it_and_sees_what_was_asked_for) {
    const auto csr = build_csr(web_request(), test::rsa_key(1).get(), secret("secret"));
    const std::string text = shown(csr);
    EXPECT_THAT(text, HasSubstr("Version: 1 (0x0)"));
    EXPECT_THAT(text, HasSubstr("Subject: O=Example,CN=web01.example.com"));
    EXPECT_THAT(text, ContainsRegex("challengePassword *:secret\n"));
    EXPECT_THAT(text, HasSubstr("Public-Key: (2048 bit)"));
    EXPECT_THAT(text, ContainsRegex("X509v3 Key Usage: critical\n *Digital Signature, Key Encipherment\n"));
    EXPECT_THAT(text, ContainsRegex("X509v3 Extended Key Usage: *\n *TLS Web Server Authentication, TLS Web Client "
                                    "Authentication, 1.3.6.1.5.5.8.2.2\n"));
    EXPECT_THAT(text, HasSubstr("DNS:web01.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, "
                                "email:web@example.com, URI:https://web01.example.com/id, othername:"));
    // OpenSSL 3.0 writes two colons, 3.5 one.
    EXPECT_THAT(text, ContainsRegex("othername: *UPN:+ *web01@corp[.]example[.]com"));
    EXPECT_THAT(text, HasSubstr("Signature Algorithm: sha256WithRSAEncryption"));
}

TEST(CertificationRequest, SIG_9_it_is_DER) {
    const auto csr = build_csr(web_request(), test::rsa_key(1).get(), secret("secret"));
    ASSERT_TRUE(csr);
    EXPECT_EQ(test::der_fault(csr->reveal()), "");
}

TEST(CertificationRequest, ALG_11_its_digest_is_the_one_asked_for) {
    CertificationRequest request = web_request();
    request.digest = Digest::sha512;
    EXPECT_THAT(shown(build_csr(request, test::rsa_key(1).get(), {})), HasSubstr("sha512WithRSAEncryption"));
}

TEST(CertificationRequest, an_EC_key_signs_too) {
    CertificationRequest request = web_request();
    EXPECT_THAT(shown(build_csr(request, test::new_ec_key("P-256").get(), secret("secret"))),
                AllOf(HasSubstr("ecdsa-with-SHA256"), HasSubstr("NIST CURVE: P-256"), HasSubstr("UPN:")));
    request.digest = Digest::sha384;
    EXPECT_THAT(shown(build_csr(request, test::new_ec_key("P-384").get(), secret("secret"))),
                AllOf(HasSubstr("ecdsa-with-SHA384"), HasSubstr("NIST CURVE: P-384")));
}

TEST(CertificationRequest, CSR_2_Q_NDES_7_the_challenge_is_a_PrintableString_where_it_can_be) {
    const auto csr = build_csr(web_request(), test::rsa_key(1).get(), secret("Pa55 word'()+,-./:=?"));
    ASSERT_TRUE(csr);
    EXPECT_THAT(structure(csr->reveal()),
                ContainsRegex("challengePassword\n.*SET *\n.*PRINTABLESTRING *:Pa55 word'\\(\\)\\+,-\\./:=\\?\n"));
}

TEST(CertificationRequest, CSR_2_the_challenge_is_a_UTF8String_where_it_must_be) {
    for (const char* challenge : {"under_score", "at@sign", "gr\xC3\xBC\xC3\x9F"}) {
        const auto csr = build_csr(web_request(), test::rsa_key(1).get(), secret(challenge));
        ASSERT_TRUE(csr);
        EXPECT_THAT(structure(csr->reveal()), ContainsRegex("challengePassword\n.*SET *\n.*UTF8STRING"));
    }
}

TEST(CertificationRequest, CSR_2_Q_NDES_7_as_printable_the_challenge_is_a_PrintableString_or_there_is_no_request) {
    CertificationRequest request = web_request();
    request.challenge_string = ChallengeString::printable;
    const auto csr = build_csr(request, test::rsa_key(1).get(), secret("Pa55word"));
    ASSERT_TRUE(csr);
    EXPECT_THAT(structure(csr->reveal()), ContainsRegex("challengePassword\n.*SET *\n.*PRINTABLESTRING *:Pa55word\n"));
    for (const char* bad : {"under_score", "at@sign", "gr\xC3\xBC\xC3\x9F"}) {
        const auto refused = build_csr(request, test::rsa_key(1).get(), secret(bad));
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().code(), ErrorCode::challenge_source);
        EXPECT_THAT(refused.error().line(), AllOf(HasSubstr("challenge_encoding"), Not(HasSubstr(bad))));
    }
    EXPECT_TRUE(build_csr(request, test::rsa_key(1).get(), {})) << "where no challenge is sent there is none to refuse";
}

TEST(CertificationRequest, CSR_2_as_utf8_every_challenge_is_a_UTF8String) {
    CertificationRequest request = web_request();
    request.challenge_string = ChallengeString::utf8;
    for (const char* challenge : {"Pa55word", "under_score"}) {
        const auto csr = build_csr(request, test::rsa_key(1).get(), secret(challenge));
        ASSERT_TRUE(csr);
        EXPECT_THAT(structure(csr->reveal()), ContainsRegex("challengePassword\n.*SET *\n.*UTF8STRING *:"));
    }
}

TEST(CertificationRequest, CSR_6_without_a_challenge_there_is_no_attribute_for_it) {
    const auto csr = build_csr(web_request(), test::rsa_key(1).get(), {});
    ASSERT_TRUE(csr);
    EXPECT_THAT(structure(csr->reveal()), AllOf(Not(HasSubstr("challengePassword")), HasSubstr("Extension Request")));
}

TEST(CertificationRequest, CSR_2_SEC_14_a_bad_challenge_is_refused_without_being_shown) {
    for (const std::string& bad : {std::string(canary) + "\xFF", std::string(256, 'x') + std::string(canary),
                                   std::string(canary) + std::string(1, '\0')}) {
        const auto csr = build_csr(web_request(), test::rsa_key(1).get(), secret(bad));
        ASSERT_FALSE(csr);
        EXPECT_EQ(csr.error().code(), ErrorCode::config_value);
        EXPECT_THAT(csr.error().line(), Not(HasSubstr(std::string(canary))));
    }
    std::string characters;
    for (int i = 0; i < 255; ++i) {
        characters += "\xC3\xA4";
    }
    EXPECT_TRUE(build_csr(web_request(), test::rsa_key(1).get(), secret(characters))) << "255 characters, 510 octets";
}

TEST(CertificationRequest, MSG_22_the_subject_keeps_its_encoding) {
    // O as T61String, CN as BMPString, two values in one RDN: nothing that we would write ourselves.
    const Bytes der{0x30, 0x25, 0x31, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55, 0x04, 0x0A, 0x14, 0x03,
                    'O',  'r',  'g',  0x31, 0x15, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x1E,
                    0x02, 0x00, 'x',  0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0B, 0x13, 0x01, 'u'};
    CertificationRequest request = web_request();
    request.subject = DistinguishedName::from_der(der).value();
    const auto csr = build_csr(request, test::rsa_key(1).get(), {});
    ASSERT_TRUE(csr);
    EXPECT_THAT(to_hex(csr->reveal()), HasSubstr("020100" + to_hex(der)));
}

TEST(CertificationRequest, CSR_3_without_usages_and_names_there_is_no_attribute_for_them) {
    CertificationRequest request;
    request.subject = name("CN=a");
    const auto csr = build_csr(request, test::rsa_key(1).get(), {});
    ASSERT_TRUE(csr);
    EXPECT_THAT(shown(csr), HasSubstr("(none)"));
}

TEST(CertificationRequest, CSR_3_without_a_subject_the_alternative_names_are_critical) {
    CertificationRequest request;
    request.subject_alt_names = {"dns:a.example.com"};
    EXPECT_THAT(shown(build_csr(request, test::rsa_key(1).get(), {})),
                HasSubstr("X509v3 Subject Alternative Name: critical"));
}

TEST(CertificationRequest, CSR_3_check_accepts_what_is_well_formed) {
    CertificationRequest request = web_request();
    request.subject_alt_names = {
        "dns:*.example.com",     "dns:localhost",  "dns:xn--bcher-kva.example", "dns:_sip.example", "ip:::1",
        "email:a+b@example.com", "uri:urn:uuid:0", "upn:m\xC3\xBCller@corp"};
    request.key_usage = {"digitalSignature", "nonRepudiation", "contentCommitment", "keyEncipherment",
                         "dataEncipherment", "keyAgreement",   "encipherOnly",      "decipherOnly"};
    request.extended_key_usage = {"serverAuth",  "clientAuth", "codeSigning",    "emailProtection", "timeStamping",
                                  "OCSPSigning", "ipsecIKE",   "smartcardLogon", "1.2.3.4"};
    const Status checked = check(request);
    EXPECT_TRUE(checked) << checked.error().line();
}

TEST(CertificationRequest, CSR_3_check_names_the_entry_that_is_wrong) {
    for (const char* bad : {"web01.example.com",
                            "dns:",
                            "dns:a..b",
                            "dns:-a.example",
                            "dns:a.example.",
                            "dns:a b",
                            "dns:*.*.example",
                            "dns:b\xC3\xBC"
                            "cher.example",
                            "ip:192.0.2.256",
                            "ip:192.0.2.1/24",
                            "ip:example.com",
                            "email:nobody",
                            "email:@example.com",
                            "email:a@",
                            "uri:example",
                            "uri::x",
                            "uri:http://a b",
                            "upn:nobody",
                            "upn:\xFF@x",
                            "DNS:a.example",
                            "rid:1.2.3"}) {
        CertificationRequest request = web_request();
        request.subject_alt_names = {"dns:good.example", bad};
        const Status checked = check(request);
        ASSERT_FALSE(checked) << bad;
        EXPECT_EQ(checked.error().code(), ErrorCode::config_value);
        EXPECT_THAT(checked.error().what(), HasSubstr(printable(bad)));
    }
    CertificationRequest request = web_request();
    request.key_usage = {"digitalSignature", "everything"};
    EXPECT_THAT(check(request).error().line(), HasSubstr("key usage 'everything'"));
    request = web_request();
    request.extended_key_usage = {"web server"};
    EXPECT_THAT(check(request).error().line(), HasSubstr("extended key usage 'web server'"));
    request.extended_key_usage = {"9.9.9"};
    EXPECT_THAT(check(request).error().line(), HasSubstr("extended key usage '9.9.9'"));
    EXPECT_EQ(check(CertificationRequest{}).error().code(), ErrorCode::config_value);
}

TEST(CertificationRequest, CSR_1_TOK_1_SEC_12_a_token_key_signs_once_and_openssl_verifies) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    const auto csr = build_csr(web_request(), key.get(), secret(canary));
    shown(csr);
    EXPECT_EQ(token->signatures, 1);
    EXPECT_EQ(token->decryptions, 0);
}

TEST(CertificationRequest, CSR_1_CERT_11_REN_8_TOK_5_a_key_that_signs_wrongly_fails_the_self_test) {
    const auto csr = build_csr(web_request(), test::faulty_rsa_key(test::rsa_key(1)).get(), secret(canary));
    ASSERT_FALSE(csr);
    EXPECT_EQ(csr.error().code(), ErrorCode::token_self_test) << csr.error().line();
    EXPECT_THAT(csr.error().line(), Not(HasSubstr(std::string(canary))));
}

TEST(CertificationRequest, a_token_that_refuses_is_reported_and_asked_once) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    token->refuse = true;
    const auto csr = build_csr(web_request(), key.get(), secret(canary));
    ASSERT_FALSE(csr);
    EXPECT_EQ(csr.error().code(), ErrorCode::crypto);
    EXPECT_EQ(token->signatures, 1);
}

}  // namespace
}  // namespace hwenroll::scep
