#include "transport/scep/pki_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/certification_request.h"

namespace hwenroll::scep {
namespace {

using test::OpenSslProgram;
using test::present;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view payload = "messageData of a request";

const Certificate& ca() {
    static const Certificate certificate = test::self_signed(test::ca_spec("CN=CA,O=Example"), test::rsa_key(9));
    return certificate;
}

const Certificate& signer() {
    static const Certificate certificate =
        test::self_signed(test::ra_spec("CN=web01", "critical,digitalSignature,keyEncipherment", ""), test::rsa_key(1));
    return certificate;
}

/// What the CA issued for the same key.
const Certificate& current() {
    static const Certificate certificate =
        test::issued(test::ra_spec("CN=web01", "critical,digitalSignature,keyEncipherment", "clientAuth"),
                     test::rsa_key(1), ca(), test::rsa_key(9));
    return certificate;
}

PkiMessage message() {
    return {MessageType::pkcs_req,
            {"00112233445566778899AABBCCDDEEFF"},
            {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
            seal(as_bytes(payload), ca(), ContentCipher::aes128).value(),
            signer(),
            Digest::sha256,
            present()};
}

std::string structure(ByteView der) {
    OpenSslProgram openssl;
    return OpenSslProgram::run({"asn1parse", "-inform", "DER", "-in", openssl.file("der", der)}).out;
}

std::size_t occurrences(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

// ----- seal -----

std::string opened_by_openssl(ByteView envelope) {
    OpenSslProgram openssl;
    const auto outcome = OpenSslProgram::run(
        {"cms", "-decrypt", "-inform", "DER", "-in", openssl.file("envelope", envelope), "-recip",
         openssl.file("recipient.pem", to_pem(ca())), "-inkey",
         openssl.file("key.pem", test::private_pem(test::rsa_key(9))), "-out", openssl.path("plain"), "-binary"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.exit_code == 0 ? openssl.contents("plain") : std::string();
}

TEST(Seal, ENV_1_ENV_5_openssl_opens_it_whatever_the_cipher) {
    for (const ContentCipher cipher :
         {ContentCipher::aes128, ContentCipher::aes192, ContentCipher::aes256, ContentCipher::des3}) {
        const auto envelope = seal(as_bytes(payload), ca(), cipher);
        ASSERT_TRUE(envelope) << envelope.error().line();
        EXPECT_EQ(opened_by_openssl(*envelope), payload) << to_text(cipher);
    }
}

// ALG-8: by OAEP only when it is asked for, and then with SHA-256 written out in the parameters (RFC 4055 §4.1).
TEST(Seal, ALG_8_by_OAEP_openssl_opens_it_too) {
    for (const ContentCipher cipher : {ContentCipher::aes128, ContentCipher::aes256}) {
        const auto envelope = seal(as_bytes(payload), ca(), cipher, KeyTransport::oaep);
        ASSERT_TRUE(envelope) << envelope.error().line();
        EXPECT_EQ(opened_by_openssl(*envelope), payload) << to_text(cipher);
        EXPECT_EQ(test::der_fault(*envelope), "");
        const std::string text = structure(*envelope);
        EXPECT_EQ(occurrences(text, ":rsaesOaep"), 1U);
        EXPECT_EQ(occurrences(text, ":sha256"), 2U) << "of the hash and of MGF1";
        EXPECT_EQ(occurrences(text, ":rsaEncryption"), 0U);
    }
}

TEST(Seal, ENV_3_ENV_4_ALG_8_one_recipient_by_issuer_and_serial_with_PKCS1_and_AES_128) {
    const auto envelope = seal(as_bytes(payload), ca(), ContentCipher::aes128);
    ASSERT_TRUE(envelope);
    const std::string text = structure(*envelope);
    EXPECT_THAT(text, HasSubstr(":pkcs7-envelopedData"));
    EXPECT_THAT(text, ContainsRegex("d=3 +hl=2 l= +1 prim: INTEGER +:00\n"
                                    ".*d=3 .*cons: SET *\n"
                                    ".*d=4 .*cons: SEQUENCE *\n"
                                    ".*d=5 +hl=2 l= +1 prim: INTEGER +:00\n"
                                    ".*d=5 .*cons: SEQUENCE *\n"))
        << "EnvelopedData and KeyTransRecipientInfo of version 0";
    EXPECT_EQ(occurrences(text, ":rsaEncryption"), 1U);
    EXPECT_THAT(text, ContainsRegex(":rsaEncryption\n.*prim: NULL"));
    EXPECT_THAT(text, ContainsRegex(":pkcs7-data\n.*\n.*:aes-128-cbc"));
    EXPECT_THAT(to_hex(*envelope), HasSubstr(to_hex(ca().issuer().der()) + "020101"));
}

TEST(Seal, SIG_9_ENV_16_it_is_DER_also_when_long) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{127}, std::size_t{3000}, std::size_t{100000}}) {
        const auto envelope = seal(Bytes(size, 0x42), ca(), ContentCipher::aes128);
        ASSERT_TRUE(envelope);
        EXPECT_EQ(test::der_fault(*envelope), "") << size;
    }
}

TEST(Seal, every_envelope_has_its_own_key_and_IV) {
    const auto one = seal(as_bytes(payload), ca(), ContentCipher::aes128);
    const auto other = seal(as_bytes(payload), ca(), ContentCipher::aes128);
    ASSERT_TRUE(one && other);
    const auto tail = [](const Bytes& envelope) { return Bytes(envelope.end() - 32, envelope.end()); };
    EXPECT_NE(tail(*one), tail(*other));
}

TEST(Seal, CAPS_14_Q_AWS_1_single_DES_is_never_used) {
    EXPECT_EQ(seal(as_bytes(payload), ca(), ContentCipher::des).error().code(), ErrorCode::ca_algorithm);
}

TEST(Seal, ENV_8_SEC_3_a_recipient_that_cannot_decrypt_gets_nothing) {
    const Certificate ec = test::self_signed(test::ca_spec("CN=EC"), test::new_ec_key());
    const auto envelope = seal(as_bytes(payload), ec, ContentCipher::aes128);
    ASSERT_FALSE(envelope);
    EXPECT_EQ(envelope.error().code(), ErrorCode::ca_no_recipient);
    EXPECT_THAT(envelope.error().line(), AllOf(HasSubstr("EC P-256"), Not(HasSubstr(std::string(payload)))));
}

// ----- CertPoll -----

TEST(CertPoll, MSG_22_its_data_are_two_names_to_the_octet) {
    const auto issuer = DistinguishedName::from_text("CN=CA,O=Example").value();
    const auto subject = DistinguishedName::from_text("CN=web01").value();
    const Bytes data = cert_poll_data(issuer, subject);
    EXPECT_EQ(test::der_fault(data), "");
    EXPECT_EQ(to_hex(data), "30" +
                                to_hex(Bytes{static_cast<std::uint8_t>(issuer.der().size() + subject.der().size())}) +
                                to_hex(issuer.der()) + to_hex(subject.der()));
}

// ----- sign_message -----

struct Verified {
    int exit_code = -1;
    std::string content;
    std::string text;  ///< asn1parse
};

Verified verified_by_openssl(ByteView der) {
    OpenSslProgram openssl;
    const std::string file = openssl.file("message", der);
    const auto outcome = OpenSslProgram::run(
        {"cms", "-verify", "-inform", "DER", "-in", file, "-noverify", "-binary", "-out", openssl.path("content")});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return {outcome.exit_code, outcome.exit_code == 0 ? openssl.contents("content") : "", structure(der)};
}

TEST(SignMessage, MSG_1_openssl_verifies_it_and_finds_the_whole_envelope) {
    const PkiMessage request = message();
    const auto der = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(der) << der.error().line();
    const Verified verified = verified_by_openssl(*der);
    EXPECT_EQ(as_bytes(verified.content).size(), request.envelope.size());
    EXPECT_TRUE(equal(as_bytes(verified.content), request.envelope));
    EXPECT_EQ(opened_by_openssl(as_bytes(verified.content)), payload);
    EXPECT_THAT(verified.text,
                ContainsRegex(":pkcs7-signedData\n.*\n.*\n +[0-9]+:d=3 +hl=2 l= +1 prim: INTEGER +:01\n"));
    EXPECT_THAT(verified.text, ContainsRegex(":pkcs7-data\n.*cont \\[ 0 \\] *\n.*prim: OCTET STRING"));
}

TEST(SignMessage, SIG_9_Q_EJBCA_3_it_is_DER_with_sorted_attributes) {
    const auto der = sign_message(message(), test::rsa_key(1).get());
    ASSERT_TRUE(der);
    EXPECT_EQ(test::der_fault(*der), "");
    // der_fault sees the implicitly tagged attributes as members of [0]; as the SET that is signed they are sorted.
    OpenSslProgram openssl;
    const auto printed = OpenSslProgram::run(
        {"cms", "-cmsout", "-print", "-inform", "DER", "-in", openssl.file("message", *der), "-noout"});
    const auto place = [&](const char* what) { return printed.out.find(what); };
    EXPECT_LT(place("object: undefined (2.16.840.1.113733.1.9.2)"), place("object: contentType"));
    EXPECT_LT(place("object: contentType"), place("object: signingTime"));
    EXPECT_LT(place("object: signingTime"), place("object: undefined (2.16.840.1.113733.1.9.5)"));
    EXPECT_LT(place("object: undefined (2.16.840.1.113733.1.9.5)"), place("object: messageDigest"));
    EXPECT_LT(place("object: messageDigest"), place("object: undefined (2.16.840.1.113733.1.9.7)"));
    EXPECT_NE(place("object: undefined (2.16.840.1.113733.1.9.7)"), std::string::npos);
}

TEST(SignMessage, MSG_2_MSG_4_MSG_5_MSG_7_each_attribute_once_with_one_value_of_the_right_type) {
    const auto der = sign_message(message(), test::rsa_key(1).get());
    ASSERT_TRUE(der);
    const std::string text = structure(*der);
    for (const char* pattern :
         {":2.16.840.1.113733.1.9.2\n.*l= +4 cons: SET *\n.*PRINTABLESTRING +:19\n",
          ":2.16.840.1.113733.1.9.5\n.*l= +18 cons: SET *\n.*OCTET STRING +\\[HEX "
          "DUMP\\]:0102030405060708090A0B0C0D0E0F10\n",
          ":2.16.840.1.113733.1.9.7\n.*l= +34 cons: SET *\n.*PRINTABLESTRING +:00112233445566778899AABBCCDDEEFF\n",
          ":contentType\n.*l= +11 cons: SET *\n.*OBJECT +:pkcs7-data\n",
          ":messageDigest\n.*l= +34 cons: SET *\n.*OCTET STRING",
          ":signingTime\n.*l= +15 cons: SET *\n.*UTCTIME +:261123180000Z\n"}) {
        EXPECT_THAT(text, ContainsRegex(pattern));
    }
    for (const char* once :
         {"113733.1.9.2", "113733.1.9.5", "113733.1.9.7", ":contentType", ":messageDigest", ":signingTime"}) {
        EXPECT_EQ(occurrences(text, once), 1U) << once;
    }
    EXPECT_THAT(text, AllOf(Not(HasSubstr("S/MIME")), Not(HasSubstr("113733.1.9.3")), Not(HasSubstr("113733.1.9.6"))));
}

TEST(SignMessage, every_message_type_is_a_decimal) {
    for (const auto& [type, text] : std::vector<std::pair<MessageType, std::string>>{
             {MessageType::renewal_req, "17"}, {MessageType::pkcs_req, "19"}, {MessageType::cert_poll, "20"}}) {
        PkiMessage request = message();
        request.type = type;
        request.signer = current();
        const auto der = sign_message(request, test::rsa_key(1).get());
        ASSERT_TRUE(der);
        EXPECT_THAT(structure(*der), HasSubstr("PRINTABLESTRING   :" + text + "\n"));
    }
}

TEST(SignMessage, SIG_5_to_SIG_7_one_signer_with_its_certificate) {
    const auto der = sign_message(message(), test::rsa_key(1).get());
    ASSERT_TRUE(der);
    OpenSslProgram openssl;
    const auto printed = OpenSslProgram::run(
        {"cms", "-cmsout", "-print", "-inform", "DER", "-in", openssl.file("message", *der), "-noout"});
    EXPECT_EQ(occurrences(printed.out, "d.issuerAndSerialNumber"), 1U);
    EXPECT_EQ(occurrences(printed.out, "d.certificate:"), 1U);
    EXPECT_THAT(printed.out, ContainsRegex("d.signedData: *\n +version: 1\n"));
    EXPECT_THAT(printed.out, ContainsRegex("signerInfos:\n +version: 1\n"));
    EXPECT_THAT(printed.out, ContainsRegex("signatureAlgorithm: *\n +algorithm: rsaEncryption"));
    EXPECT_THAT(printed.out, ContainsRegex("crls:\n +<ABSENT>"));
    EXPECT_THAT(printed.out, ContainsRegex("unsignedAttrs:\n +<ABSENT>"));
    EXPECT_THAT(to_hex(*der), HasSubstr(to_hex(signer().der())));
}

TEST(SignMessage, SIG_4_SIG_5_SIG_9_a_manufacturer_s_chain_goes_along_in_DER_order) {
    const Certificate other =
        test::self_signed(test::ra_spec("CN=another", "critical,digitalSignature", ""), test::rsa_key(2));
    for (const auto& chain : {std::vector{ca(), other}, std::vector{other, ca()}}) {
        PkiMessage request = message();
        request.type = MessageType::renewal_req;
        request.signer = current();
        request.chain = chain;
        const auto der = sign_message(request, test::rsa_key(1).get());
        ASSERT_TRUE(der) << der.error().line();
        EXPECT_EQ(test::der_fault(*der), "");
        OpenSslProgram openssl;
        const auto printed = OpenSslProgram::run(
            {"cms", "-cmsout", "-print", "-inform", "DER", "-in", openssl.file("message", *der), "-noout"});
        EXPECT_EQ(occurrences(printed.out, "d.certificate:"), 3U);
        for (const Certificate& one : {current(), ca(), other}) {
            EXPECT_THAT(to_hex(*der), HasSubstr(to_hex(one.der())));
        }
    }
}

TEST(SignMessage, SIG_8_no_signingTime_unless_one_is_given) {
    PkiMessage request = message();
    request.signing_time.reset();
    const auto der = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(der);
    EXPECT_THAT(verified_by_openssl(*der).text, Not(HasSubstr(":signingTime")));
    request.signing_time = std::chrono::sys_days(std::chrono::year(2050) / 1 / 1);
    const auto late = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(late);
    EXPECT_THAT(verified_by_openssl(*late).text, HasSubstr("GENERALIZEDTIME   :20500101000000Z"));
}

TEST(SignMessage, SIG_8_no_signingTime_before_the_signer_is_valid) {
    PkiMessage request = message();
    request.signing_time = signer().not_before() - std::chrono::seconds(1);
    const auto early = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(early);
    EXPECT_THAT(verified_by_openssl(*early).text, Not(HasSubstr(":signingTime")));
    request.signing_time = signer().not_before();
    const auto valid = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(valid);
    EXPECT_THAT(verified_by_openssl(*valid).text, HasSubstr(":signingTime"));
}

// SEC-5: nothing but its signature vouches for a RenewalReq.
TEST(SignMessage, SEC_5_a_RenewalReq_is_never_signed_with_SHA_1) {
    PkiMessage request = message();
    request.type = MessageType::renewal_req;
    request.signer = current();
    request.digest = Digest::sha1;
    const auto refused = sign_message(request, test::rsa_key(1).get());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::crypto);
    EXPECT_THAT(refused.error().line(), HasSubstr("never signed with SHA-1"));
}

TEST(SignMessage, ALG_11_every_digest) {
    for (const auto& [digest, text] : std::vector<std::pair<Digest, std::string>>{{Digest::sha1, ":sha1\n"},
                                                                                  {Digest::sha256, ":sha256\n"},
                                                                                  {Digest::sha384, ":sha384\n"},
                                                                                  {Digest::sha512, ":sha512\n"}}) {
        PkiMessage request = message();
        request.digest = digest;
        const auto der = sign_message(request, test::rsa_key(1).get());
        ASSERT_TRUE(der) << der.error().line();
        const Verified verified = verified_by_openssl(*der);
        EXPECT_EQ(verified.exit_code, 0);
        EXPECT_EQ(occurrences(verified.text, text), 2U) << "digestAlgorithms and digestAlgorithm";
    }
}

// ----- RenewalReq -----

TEST(RenewalReq, SIG_3_REN_3_openssl_verifies_the_current_signer_up_to_the_CA_and_reads_the_request_for_the_new_key) {
    const CertificationRequest contents{DistinguishedName::from_text("CN=web01").value(), {}, {"digitalSignature"}, {}};
    const auto csr = build_csr(contents, test::rsa_key(2).get(), {});
    ASSERT_TRUE(csr) << csr.error().line();
    PkiMessage renewal = message();
    renewal.type = MessageType::renewal_req;
    renewal.envelope = seal(csr->reveal(), ca(), ContentCipher::aes128).value();
    renewal.signer = current();
    const auto der = sign_message(renewal, test::rsa_key(1).get());
    ASSERT_TRUE(der) << der.error().line();
    EXPECT_EQ(test::der_fault(*der), "");
    OpenSslProgram openssl;
    const auto verified = OpenSslProgram::run(
        {"cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-attime",
         std::to_string(present().time_since_epoch().count()), "-CAfile", openssl.file("ca.pem", to_pem(ca())), "-in",
         openssl.file("message", *der), "-out", openssl.path("content"), "-signer", openssl.path("signer.pem")});
    ASSERT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_EQ(openssl.contents("signer.pem"), to_pem(current()));
    EXPECT_THAT(structure(*der), ContainsRegex(":2.16.840.1.113733.1.9.2\n.*cons: SET *\n.*PRINTABLESTRING +:17\n"));
    const std::string inner = openssl.contents("content");
    const std::string request = opened_by_openssl(as_bytes(inner));
    EXPECT_TRUE(equal(as_bytes(request), csr->reveal()));
    const auto shown = OpenSslProgram::run(
        {"req", "-inform", "DER", "-in", openssl.file("csr", request), "-verify", "-noout", "-pubkey"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr(to_pem("PUBLIC KEY", PublicKey::of(test::rsa_key(2).get())->spki())));
}

// REN-6, CAPS-11: most servers renew by PKCSReq, with the same signer.
TEST(RenewalReq, REN_6_ROLL_10_Q_NDES_9_the_certificate_in_use_signs_a_PKCSReq_for_a_new_key_too) {
    const CertificationRequest contents{DistinguishedName::from_text("CN=web01").value(), {}, {"digitalSignature"}, {}};
    const auto csr = build_csr(contents, test::new_ec_key().get(), {});
    ASSERT_TRUE(csr) << csr.error().line();
    PkiMessage renewal = message();
    renewal.envelope = seal(csr->reveal(), ca(), ContentCipher::aes128).value();
    renewal.signer = current();
    const auto der = sign_message(renewal, test::rsa_key(1).get());
    ASSERT_TRUE(der) << der.error().line();
    OpenSslProgram openssl;
    const auto verified = OpenSslProgram::run(
        {"cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-attime",
         std::to_string(present().time_since_epoch().count()), "-CAfile", openssl.file("ca.pem", to_pem(ca())), "-in",
         openssl.file("message", *der), "-out", openssl.path("content"), "-signer", openssl.path("signer.pem")});
    ASSERT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_EQ(openssl.contents("signer.pem"), to_pem(current()));
    EXPECT_THAT(structure(*der), ContainsRegex(":2.16.840.1.113733.1.9.2\n.*cons: SET *\n.*PRINTABLESTRING +:19\n"));
    const std::string inner = openssl.contents("content");
    const std::string request = opened_by_openssl(as_bytes(inner));
    EXPECT_TRUE(equal(as_bytes(request), csr->reveal()));
}

TEST(RenewalReq, ROLL_10_an_EC_certificate_signs_it_too) {
    const test::Key key = test::new_ec_key();
    PkiMessage renewal = message();
    renewal.type = MessageType::renewal_req;
    renewal.signer = test::issued(test::ra_spec("CN=ec", "critical,digitalSignature", ""), key, ca(), test::rsa_key(9));
    const auto der = sign_message(renewal, key.get());
    ASSERT_TRUE(der) << der.error().line();
    EXPECT_EQ(verified_by_openssl(*der).exit_code, 0);
}

TEST(RenewalReq, SIG_3_it_needs_the_key_of_the_current_certificate_and_no_self_signed_one) {
    PkiMessage renewal = message();
    renewal.type = MessageType::renewal_req;
    const auto self_signed = sign_message(renewal, test::rsa_key(1).get());
    ASSERT_FALSE(self_signed);
    EXPECT_EQ(self_signed.error().code(), ErrorCode::crypto);
    EXPECT_THAT(self_signed.error().line(), HasSubstr("self-signed"));
    renewal.signer = current();
    EXPECT_THAT(sign_message(renewal, test::rsa_key(2).get()).error().line(),
                HasSubstr("not that of the signer certificate"));
}

TEST(RenewalReq, TOK_1_the_current_key_on_a_token_signs_once) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    PkiMessage renewal = message();
    renewal.type = MessageType::renewal_req;
    renewal.signer = current();
    const auto der = sign_message(renewal, key.get());
    ASSERT_TRUE(der) << der.error().line();
    EXPECT_EQ(verified_by_openssl(*der).exit_code, 0);
    EXPECT_EQ(token->signatures, 1);
}

TEST(SignMessage, an_EC_key_signs_too) {
    const test::Key key = test::new_ec_key("P-384");
    PkiMessage request = message();
    request.signer = test::self_signed(test::ra_spec("CN=ec", "critical,digitalSignature", ""), key);
    request.digest = Digest::sha384;
    const auto der = sign_message(request, key.get());
    ASSERT_TRUE(der) << der.error().line();
    EXPECT_EQ(test::der_fault(*der), "");
    EXPECT_THAT(verified_by_openssl(*der).text, HasSubstr(":ecdsa-with-SHA384"));
}

TEST(SignMessage, the_key_must_be_the_signers) {
    const auto der = sign_message(message(), test::rsa_key(2).get());
    ASSERT_FALSE(der);
    EXPECT_EQ(der.error().code(), ErrorCode::crypto);
    EXPECT_THAT(der.error().line(), HasSubstr("not that of the signer certificate"));
}

TEST(SignMessage, MSG_4_MSG_5_a_transactionID_is_a_PrintableString_of_1_to_128_characters) {
    for (const std::string& bad : {std::string(), std::string("a_b"), std::string(129, 'A'), std::string("\xC3\xA4")}) {
        PkiMessage request = message();
        request.transaction_id.value = bad;
        EXPECT_FALSE(sign_message(request, test::rsa_key(1).get())) << bad;
    }
    PkiMessage request = message();
    request.transaction_id.value = std::string(128, 'A');
    EXPECT_TRUE(sign_message(request, test::rsa_key(1).get()));
}

TEST(SignMessage, MSG_22_the_issuer_and_serial_keep_their_encoding) {
    test::CertificateSpec spec = test::ra_spec("CN=web01", "critical,digitalSignature", "");
    spec.serial = 0x00C0FFEE;  // needs a leading zero octet in DER
    PkiMessage request = message();
    request.signer = test::self_signed(spec, test::rsa_key(1));
    const auto der = sign_message(request, test::rsa_key(1).get());
    ASSERT_TRUE(der);
    EXPECT_THAT(to_hex(*der), HasSubstr(to_hex(request.signer.issuer().der()) + "020400C0FFEE300D"));
}

TEST(SignMessage, TOK_1_a_token_key_signs_once_and_openssl_verifies) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    const auto der = sign_message(message(), key.get());
    ASSERT_TRUE(der) << der.error().line();
    EXPECT_EQ(verified_by_openssl(*der).exit_code, 0);
    EXPECT_EQ(token->signatures, 1);
    EXPECT_EQ(token->decryptions, 0);
}

TEST(SignMessage, a_wrong_signature_never_leaves) {
    const auto spoiled = sign_message(message(), test::faulty_rsa_key(test::rsa_key(1)).get());
    ASSERT_FALSE(spoiled);
    EXPECT_EQ(spoiled.error().code(), ErrorCode::crypto);
    EXPECT_THAT(spoiled.error().line(), HasSubstr("does not verify"));
}

TEST(SignMessage, a_token_that_refuses_is_reported_and_asked_once) {
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    token->refuse = true;
    const auto der = sign_message(message(), key.get());
    ASSERT_FALSE(der);
    EXPECT_EQ(der.error().code(), ErrorCode::crypto);
    EXPECT_EQ(token->signatures, 1);
}

}  // namespace
}  // namespace hwenroll::scep
