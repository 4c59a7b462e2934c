// EC keys of Pkcs11Token on SoftHSM2: what differs from RSA keys.
#include <gmock/gmock.h>

#include "keystore/pkcs11/key_object.h"
#include "tests/keystore/pkcs11/token_test.h"
#include "tests/keystore/software_token.h"
#include "tests/support/child_process.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;

class GeneratedEcKey : public ShimTest, public ::testing::WithParamInterface<KeySpec> {
 protected:
    [[nodiscard]] std::string kind() const { return GetParam() == KeySpec::ec_p256 ? "EC P-256" : "EC P-384"; }

    std::unique_ptr<Pkcs11Token> lying(const std::string& rules) {
        script(rules);
        return logged_in(shim_options());
    }
};

// TOK-3, T21: read back past Pkcs11Token, too.
TEST_P(GeneratedEcKey, TOK_3_signs_and_agrees_and_cannot_leave_the_token) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(1), "web");
    ASSERT_TRUE(key) << key.error().line();
    EXPECT_TRUE(key->protection.confined());
    EXPECT_TRUE(key->can_sign);
    EXPECT_TRUE(key->can_derive);
    EXPECT_FALSE(key->can_decrypt);
    EXPECT_EQ(key->label, "web");
    EXPECT_EQ(key->key.id, key_id(1));
    EXPECT_EQ(key->key.public_key.text(), kind());
    EXPECT_THAT(key->uri, HasSubstr("id=%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01"));

    RawToken raw;
    const auto halves = raw.find(CKO_PRIVATE_KEY, key_id(1));
    ASSERT_EQ(halves.size(), 1U);
    pkcs11::Attributes attributes;
    attributes.expect_flag(CKA_TOKEN)
        .expect_flag(CKA_PRIVATE)
        .expect_flag(CKA_SENSITIVE)
        .expect_flag(CKA_EXTRACTABLE)
        .expect_flag(CKA_DERIVE)
        .expect_flag(CKA_DECRYPT)
        .expect_flag(CKA_UNWRAP)
        .expect_flag(CKA_SIGN_RECOVER)
        .expect(CKA_VALUE, 1024);
    ASSERT_TRUE(raw.session().read(halves[0], attributes));
    EXPECT_TRUE(attributes.flag(CKA_TOKEN, false));
    EXPECT_TRUE(attributes.flag(CKA_PRIVATE, false));
    EXPECT_TRUE(attributes.flag(CKA_SENSITIVE, false));
    EXPECT_FALSE(attributes.flag(CKA_EXTRACTABLE, true));
    EXPECT_TRUE(attributes.flag(CKA_DERIVE, false));
    EXPECT_FALSE(attributes.flag(CKA_DECRYPT, true));
    EXPECT_FALSE(attributes.flag(CKA_UNWRAP, true));
    EXPECT_FALSE(attributes.flag(CKA_SIGN_RECOVER, true));
    EXPECT_FALSE(attributes.octets(CKA_VALUE));
    EXPECT_EQ(raw.find(CKO_PUBLIC_KEY, key_id(1)).size(), 1U);
}

// FIPS 186-4 §6.4: a digest longer than the curve's order counts with its leftmost bits.
TEST_P(GeneratedEcKey, signs_digests_of_every_length) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(2), "web").value().key;
    for (const auto* const algorithm : {"SHA1", "SHA256", "SHA384", "SHA512"}) {
        const Bytes value = digest(algorithm, "data");
        const auto signature = token->sign(key, SignMechanism::ecdsa, value);
        ASSERT_TRUE(signature) << algorithm << ": " << signature.error().line();
        EXPECT_TRUE(verifies(key.public_key, value, *signature)) << algorithm;
        EXPECT_FALSE(verifies(key.public_key, digest(algorithm, "other"), *signature)) << algorithm;
    }
}

// r and s begin with a zero octet in one of 128 signatures.
TEST_P(GeneratedEcKey, encodes_short_numbers_too) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(2), "web").value().key;
    for (int i = 0; i < 500; ++i) {
        const Bytes value = digest("SHA256", std::to_string(i));
        ASSERT_TRUE(verifies(key.public_key, value, token->sign(key, SignMechanism::ecdsa, value).value())) << i;
    }
}

// T5: by id and public key, in a login and module of its own.
TEST_P(GeneratedEcKey, T5_is_found_again_in_a_later_login) {
    const auto made = logged_in()->generate(GetParam(), key_id(3), "web");
    ASSERT_TRUE(made) << made.error().line();
    const auto token = logged_in();
    const auto found = token->find(key_id(3));
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(*found);
    EXPECT_EQ((*found)->key.public_key, made->key.public_key);
    EXPECT_EQ((*found)->protection, made->protection);
    EXPECT_TRUE(token->sign(made->key, SignMechanism::ecdsa, digest("SHA256", "x")));
    ASSERT_TRUE(token->destroy(key_id(3)));
    EXPECT_FALSE(token->find(key_id(3)).value());
}

TEST_P(GeneratedEcKey, agrees_on_the_secret_that_software_computes) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(11), "web").value().key;
    const auto other = token->generate(GetParam(), key_id(12), "other").value().key;
    const auto secret = token->agree(key, other.public_key);
    ASSERT_TRUE(secret) << secret.error().line();
    EXPECT_EQ(secret->size(), static_cast<std::size_t>(bits_of(GetParam())) / 8);
    EXPECT_TRUE(equal(secret->reveal(), token->agree(other, key.public_key)->reveal()));
    SoftwareToken software(GetParam());
    EXPECT_TRUE(equal(token->agree(key, software.key().public_key).value().reveal(),
                      software.agree(software.key(), key.public_key).value().reveal()));
    RawToken raw;
    EXPECT_TRUE(raw.session().find(std::move(pkcs11::Attributes().put_number(CKA_CLASS, CKO_SECRET_KEY)))->empty());
}

TEST_P(GeneratedEcKey, T7_does_not_agree_with_another_public_key_behind_its_id) {
    const auto token = logged_in();
    const auto expected = token->generate(GetParam(), key_id(13), "expected").value().key;
    ASSERT_TRUE(token->destroy(key_id(13)));
    RawToken().generate(key_id(13), GetParam());
    const auto secret = token->agree(expected, expected.public_key);
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code(), ErrorCode::token_key_mismatch);
}

TEST_P(GeneratedEcKey, T7_with_another_public_key_behind_its_id_is_not_used) {
    const auto token = logged_in();
    const auto expected = token->generate(GetParam(), key_id(4), "expected").value();
    ASSERT_TRUE(token->destroy(key_id(4)));
    RawToken().generate(key_id(4), GetParam());
    const auto signature = token->sign(expected.key, SignMechanism::ecdsa, digest("SHA256", "x"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_key_mismatch);
}

TEST_P(GeneratedEcKey, T21_that_could_leave_the_token_is_destroyed) {
    const auto key = lying("C_GetAttributeValue:*:wrong=extractable")->generate(GetParam(), key_id(5), "web");
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_key_policy);
    EXPECT_THAT(key.error().why(), HasSubstr("extractable=1"));
    EXPECT_THAT(key.error().why(), HasSubstr("kind=" + kind()));
    RawToken raw;
    EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, key_id(5)).empty());
    EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, key_id(5)).empty());
}

// SoftHSM 2.6.1 wraps CKA_EC_POINT in an OCTET STRING, other modules do not.
TEST_P(GeneratedEcKey, is_read_from_a_point_without_octet_string_too) {
    const auto made = logged_in()->generate(GetParam(), key_id(6), "web").value();
    const auto token = lying("C_GetAttributeValue:*:bare=ec_point");
    const auto found = token->find(key_id(6));
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(*found);
    EXPECT_EQ((*found)->key.public_key, made.key.public_key);
    EXPECT_TRUE(token->sign(made.key, SignMechanism::ecdsa, digest("SHA256", "x")));
}

TEST_P(GeneratedEcKey, does_not_pass_on_a_signature_of_a_wrong_length) {
    const auto key = logged_in()->generate(GetParam(), key_id(7), "web").value().key;
    const auto signature = lying("C_Sign:1:size=-1")->sign(key, SignMechanism::ecdsa, digest("SHA256", "x"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(signature.error().why(),
                HasSubstr(GetParam() == KeySpec::ec_p256 ? "63 octets instead of 64" : "95 octets instead of 96"));
}

INSTANTIATE_TEST_SUITE_P(Curves, GeneratedEcKey, ::testing::Values(KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) { return "p" + std::to_string(bits_of(test.param)); });

// TOK-11
TEST_F(ShimTest, TOK_11_what_does_not_fit_an_ec_key_never_reaches_the_token) {
    const auto token = logged_in(shim_options());
    const auto ec = token->generate(KeySpec::ec_p256, key_id(8), "ec").value().key;
    const auto rsa = token->generate(KeySpec::rsa_2048, key_id(9), "rsa").value().key;
    for (const std::size_t size : {0U, 19U, 65U}) {
        const auto signature = token->sign(ec, SignMechanism::ecdsa, Bytes(size, 1));
        ASSERT_FALSE(signature) << size;
        EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
        EXPECT_THAT(signature.error().why(), HasSubstr("are no digest"));
    }
    EXPECT_THAT(token->sign(ec, SignMechanism::rsa_pkcs1, digest_info("x")).error().line(),
                HasSubstr("a key of kind EC P-256 does not sign this way"));
    EXPECT_THAT(token->sign(rsa, SignMechanism::ecdsa, digest("SHA256", "x")).error().line(),
                HasSubstr("a key of kind RSA 2048 does not sign this way"));
    const auto plain = token->decrypt(ec, DecryptMechanism::rsa_pkcs1, Bytes(32, 1));
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(plain.error().line(), HasSubstr("a key of kind EC P-256 cannot decrypt"));
    EXPECT_EQ(calls("C_SignInit"), 0);
    EXPECT_EQ(calls("C_DecryptInit"), 0);
}

TEST_F(ShimTest, what_does_not_agree_with_an_ec_key_never_reaches_the_token) {
    const auto token = logged_in(shim_options());
    const auto p256 = token->generate(KeySpec::ec_p256, key_id(8), "ec").value().key;
    const auto rsa = token->generate(KeySpec::rsa_2048, key_id(9), "rsa").value().key;
    const SoftwareToken p384(KeySpec::ec_p384);
    for (const auto& [own, peer] : {std::pair(p256, rsa.public_key), std::pair(p256, p384.key().public_key),
                                    std::pair(rsa, p256.public_key), std::pair(rsa, rsa.public_key)}) {
        const auto secret = token->agree(own, peer);
        ASSERT_FALSE(secret);
        EXPECT_EQ(secret.error().code(), ErrorCode::token_operation);
        EXPECT_THAT(secret.error().line(), HasSubstr("do not agree on a secret"));
    }
    EXPECT_EQ(calls("C_DeriveKey"), 0);
}

// PKCS#11 v2.40 §2.3.7 knows two spellings of the peer's point; SoftHSM takes both.
TEST_F(ShimTest, a_peers_point_is_written_as_octet_string_for_a_module_that_wants_it_so) {
    script("C_DeriveKey:1:rv=0x71");  // CKR_MECHANISM_PARAM_INVALID
    const auto token = logged_in(shim_options());
    const auto key = token->generate(KeySpec::ec_p256, key_id(8), "ec").value().key;
    SoftwareToken software(KeySpec::ec_p256);
    const auto secret = token->agree(key, software.key().public_key);
    ASSERT_TRUE(secret) << secret.error().line();
    EXPECT_TRUE(equal(secret->reveal(), software.agree(software.key(), key.public_key).value().reveal()));
    EXPECT_EQ(calls("C_DeriveKey"), 2);
}

TEST_F(ShimTest, T6_agrees_in_a_new_session_after_a_stale_one) {
    script("C_DeriveKey:1:rv=0xB3");  // CKR_SESSION_HANDLE_INVALID
    const auto token = logged_in(shim_options());
    const auto key = token->generate(KeySpec::ec_p256, key_id(8), "ec").value().key;
    EXPECT_TRUE(token->agree(key, key.public_key));
    EXPECT_EQ(calls("C_DeriveKey"), 2);
    EXPECT_EQ(calls("C_OpenSession"), 2);
}

// Keys that other software has made, as `hwenroll token keys` shows them.
TEST_F(TokenTest, lists_foreign_ec_keys_beside_its_own) {
    ASSERT_TRUE(logged_in()->generate(KeySpec::rsa_2048, key_id(10), "own"));
    for (const auto& [curve, id] : {std::pair("secp384r1", "a1"), std::pair("secp256k1", "a2")}) {
        const auto made = ::hwenroll::test::run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab",
                                                 "--login", "--pin", "1234", "--keypairgen", "--key-type",
                                                 std::string("EC:") + curve, "--id", id, "--label", curve});
        ASSERT_EQ(made.exit_code, 0) << made.err;
    }
    const auto token = logged_in();
    const auto keys = token->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    std::vector<std::string> kinds;
    for (const auto& key : *keys) {
        kinds.push_back(key.label + ": " + key.key.public_key.text());
    }
    EXPECT_THAT(kinds,
                ::testing::UnorderedElementsAre("own: RSA 2048", "secp384r1: EC P-384", "secp256k1: EC secp256k1"));
    const auto foreign = (*token->find(KeyId{{0xA1}}).value()).key;
    const auto signature = token->sign(foreign, SignMechanism::ecdsa, digest("SHA256", "x"));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(foreign.public_key, digest("SHA256", "x"), *signature));
    const auto other_curve = (*token->find(KeyId{{0xA2}}).value()).key;
    EXPECT_FALSE(token->sign(other_curve, SignMechanism::ecdsa, digest("SHA256", "x")));
}

}  // namespace
}  // namespace hwenroll::keystore::test
