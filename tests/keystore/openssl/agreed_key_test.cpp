// Content keys of messages for EC keys (RFC 5753), as openssl's CMS makes them, opened by a token.
#include "keystore/openssl/agreed_key.h"

#include <set>

#include <gtest/gtest.h>

#include "keystore/openssl/self_test.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/software_token.h"
#include "tests/lab_ca/asn1_reader.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::keystore::test {
namespace {

using hwenroll::test::run;
using lab_ca::Asn1Node;
namespace asn1_tag = lab_ca::asn1_tag;

struct Scheme {
    KeySpec key;
    const char* digest;
    const char* wrap;     ///< option of openssl-cms(1)
    const char* content;  ///< the same
    std::size_t content_key_size;
};

void PrintTo(const Scheme& scheme, std::ostream* out) {
    *out << to_text(scheme.key) << ' ' << scheme.digest << ' ' << scheme.wrap;
}

/// A message of `openssl cms` for one EC key, and what stands in it.
class AgreedKeyTest : public ::testing::TestWithParam<Scheme> {
 protected:
    std::string at(const char* name) const { return (directory_ / name).string(); }

    void must_run(std::vector<std::string> line) const {
        const auto done = run(std::move(line));
        ASSERT_EQ(done.exit_code, 0) << done.err;
    }

    void encrypt() {
        const Bytes spki = token_.key().public_key.spki();
        hwenroll::test::write_file(at("key.der"), std::string(spki.begin(), spki.end()));
        hwenroll::test::write_file(at("plain"), "a certificate");
        must_run({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", at("key.der"), "-out", at("key.pub")});
        must_run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("ca.key"), "-subj",
                  "/CN=CA", "-out", at("ca.pem")});
        must_run({"openssl", "x509", "-new", "-force_pubkey", at("key.pub"), "-subj", "/CN=web", "-CA", at("ca.pem"),
                  "-CAkey", at("ca.key"), "-out", at("cert.pem")});
        must_run({"openssl", "cms", "-encrypt", "-binary", GetParam().content, "-in", at("plain"), "-outform", "DER",
                  "-out", at("message"), "-recip", at("cert.pem"), "-keyopt",
                  std::string("ecdh_kdf_md:") + GetParam().digest, GetParam().wrap});
        const std::string text = hwenroll::test::read_file(at("message"));
        message_ = Bytes(text.begin(), text.end());
    }

    /// RFC 5652 §6.1, §6.2.2.
    AgreedKey agreed() {
        const Bytes oid = GetParam().key == KeySpec::ec_p256
                              ? Bytes{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}
                              : Bytes{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22};
        tree_ = lab_ca::read_asn1(message_).value();
        const Asn1Node& enveloped = tree_.children.at(1).children.at(0);
        const Asn1Node& recipient = enveloped.children.at(1).children.at(0);
        EXPECT_TRUE(recipient.is(asn1_tag::context_1)) << "KeyAgreeRecipientInfo";
        const Asn1Node& point = recipient.children.at(1).children.at(0).children.at(1);
        const Asn1Node& algorithm = recipient.children.at(2);
        const Asn1Node& wrapped = recipient.children.at(3).children.at(0).children.at(1);
        return {PublicKey::from_ec(oid, point.content.subspan(1)).value(),
                GetParam().digest,
                to_bytes(algorithm.children.at(1).whole),
                {},
                to_bytes(wrapped.content)};
    }

    SoftwareToken token_{GetParam().key};
    hwenroll::test::TemporaryDirectory directory_;
    Bytes message_;
    Asn1Node tree_;
};

TEST_P(AgreedKeyTest, is_unwrapped_and_opens_the_content) {
    ASSERT_NO_FATAL_FAILURE(encrypt());
    const auto key = open_agreed_key(token_, token_.key(), agreed());
    ASSERT_TRUE(key) << key.error().line();
    ASSERT_EQ(key->size(), GetParam().content_key_size);
    const Asn1Node& content = tree_.children.at(1).children.at(0).children.at(2);
    const std::string iv = to_hex(content.children.at(1).children.at(1).content);
    const Bytes encrypted = lab_ca::string_octets(content.children.at(2));
    hwenroll::test::write_file(at("encrypted"), std::string(encrypted.begin(), encrypted.end()));
    const auto opened = run(
        {"openssl", "enc", "-d", GetParam().content, "-K", to_hex(key->reveal()), "-iv", iv, "-in", at("encrypted")});
    EXPECT_EQ(opened.exit_code, 0) << opened.err;
    EXPECT_EQ(opened.out, "a certificate");
}

// SEC-9: one face for all of it, and not the device's.
TEST_P(AgreedKeyTest, SEC_9_that_was_spoiled_anywhere_is_refused_alike) {
    ASSERT_NO_FATAL_FAILURE(encrypt());
    std::vector<AgreedKey> spoiled(4, agreed());
    spoiled[0].wrapped_key.back() ^= 1U;
    spoiled[1].wrapped_key.resize(16);
    spoiled[2].user_keying_material = {1};
    spoiled[3].originator = SoftwareToken(GetParam().key).key().public_key;
    std::set<std::string> lines;
    for (const AgreedKey& one : spoiled) {
        const auto key = open_agreed_key(token_, token_.key(), one);
        ASSERT_FALSE(key);
        EXPECT_EQ(key.error().code(), ErrorCode::token_operation);
        lines.insert(key.error().line());
    }
    EXPECT_EQ(lines.size(), 1U) << ::testing::PrintToString(lines);
}

INSTANTIATE_TEST_SUITE_P(Schemes, AgreedKeyTest,
                         ::testing::Values(Scheme{KeySpec::ec_p256, "SHA256", "-aes128-wrap", "-aes-128-cbc", 16},
                                           Scheme{KeySpec::ec_p256, "SHA1", "-aes256-wrap", "-aes-256-cbc", 32},
                                           Scheme{KeySpec::ec_p384, "SHA384", "-aes256-wrap", "-aes-256-cbc", 32},
                                           Scheme{KeySpec::ec_p384, "SHA512", "-aes192-wrap", "-aes-192-cbc", 24}),
                         [](const auto& test) {
                             return "p" + std::to_string(bits_of(test.param.key)) + "_" + test.param.digest;
                         });

/// Nothing of it is in a message, so that no key has to fit.
AgreedKey some(const PublicKey& originator) {
    return {originator,
            "SHA256",
            {0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x05},
            {},
            Bytes(24, 1)};
}

TEST(AgreedKey, by_another_wrapping_or_hash_is_refused_by_name) {
    SoftwareToken token(KeySpec::ec_p256);
    token.fail_with(Error(ErrorCode::internal, "the token was asked"));
    AgreedKey agreed = some(token.key().public_key);
    agreed.wrap_algorithm.back() = 0x08;  // id-aes128-wrap-pad
    EXPECT_EQ(open_agreed_key(token, token.key(), agreed).error().code(), ErrorCode::scep_algorithm);
    agreed = some(token.key().public_key);
    agreed.digest = "MD17";
    EXPECT_EQ(open_agreed_key(token, token.key(), agreed).error().code(), ErrorCode::scep_algorithm);
}

TEST(AgreedKey, of_a_token_in_trouble_says_so) {
    SoftwareToken token(KeySpec::ec_p256);
    token.fail_with(Error(ErrorCode::token_absent, "gone"));
    const auto key = open_agreed_key(token, token.key(), some(token.key().public_key));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_absent);
}

TEST(AgreedKey, with_a_key_of_another_kind_never_reaches_the_token) {
    SoftwareToken token(KeySpec::rsa_2048);
    const SoftwareToken ec(KeySpec::ec_p256);
    const auto key = open_agreed_key(token, token.key(), some(ec.key().public_key));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_operation);
}

TEST(AgreementSelfTest, T20_TOK_3_passes_for_each_curve) {
    for (const KeySpec spec : {KeySpec::ec_p256, KeySpec::ec_p384}) {
        SoftwareToken token(spec);
        const Status passed = agreement_self_test(token, token.key());
        EXPECT_TRUE(passed) << passed.error().line();
    }
}

TEST(AgreementSelfTest, T20_TOK_3_finds_another_key_behind_the_handle_and_one_that_does_not_agree) {
    SoftwareToken swapped(KeySpec::ec_p256);
    const KeyReference key = swapped.key();
    swapped.swap_key();
    EXPECT_EQ(agreement_self_test(swapped, key).error().code(), ErrorCode::token_self_test);
    SoftwareToken refusing(KeySpec::ec_p256);
    refusing.fail_with(Error(ErrorCode::token_operation, "no", "CKR_KEY_FUNCTION_NOT_PERMITTED"));
    const Status refused = agreement_self_test(refusing, refusing.key());
    EXPECT_EQ(refused.error().code(), ErrorCode::token_self_test);
    EXPECT_EQ(refused.error().why(), "CKR_KEY_FUNCTION_NOT_PERMITTED");
    SoftwareToken rsa(KeySpec::rsa_2048);
    EXPECT_EQ(agreement_self_test(rsa, rsa.key()).error().code(), ErrorCode::token_self_test);
}

TEST(SigningSelfTest, T20_TOK_4_passes_for_each_kind_of_key) {
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384}) {
        SoftwareToken token(spec);
        const Status passed = signing_self_test(token, token.key());
        EXPECT_TRUE(passed) << passed.error().line();
    }
}

TEST(SigningSelfTest, T7_T20_finds_another_key_behind_the_handle_and_one_that_does_not_sign) {
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256}) {
        SoftwareToken swapped(spec);
        const KeyReference key = swapped.key();
        swapped.swap_key();
        EXPECT_EQ(signing_self_test(swapped, key).error().code(), ErrorCode::token_self_test);
        SoftwareToken refusing(spec);
        refusing.fail_with(Error(ErrorCode::token_operation, "no", "CKR_KEY_FUNCTION_NOT_PERMITTED"));
        EXPECT_EQ(signing_self_test(refusing, refusing.key()).error().why(), "CKR_KEY_FUNCTION_NOT_PERMITTED");
        SoftwareToken gone(spec);
        gone.fail_with(Error(ErrorCode::token_absent, "gone"));
        EXPECT_EQ(signing_self_test(gone, gone.key()).error().code(), ErrorCode::token_absent);
    }
}

TEST(AgreementSelfTest, T20_a_token_in_trouble_says_so) {
    SoftwareToken token(KeySpec::ec_p256);
    token.fail_with(Error(ErrorCode::token_absent, "gone"));
    EXPECT_EQ(agreement_self_test(token, token.key()).error().code(), ErrorCode::token_absent);
}

}  // namespace
}  // namespace hwenroll::keystore::test
