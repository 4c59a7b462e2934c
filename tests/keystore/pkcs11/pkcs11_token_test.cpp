// Pkcs11Token on SoftHSM2: the contract of keystore/token.h.
#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "keystore/pkcs11/key_object.h"
#include "tests/keystore/pkcs11/token_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(TokenTest, describes_itself_without_login) {
    const auto token = token_with(options());
    const auto description = token->describe();
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_EQ(description->label, "lab");
    EXPECT_EQ(description->manufacturer, "SoftHSM project");
    EXPECT_EQ(description->serial.size(), 16U);
    EXPECT_THAT(description->uri, HasSubstr("serial=" + description->serial));
    EXPECT_TRUE(description->login_required);
    EXPECT_TRUE(description->initialized);
    EXPECT_FALSE(description->pin_count_low);
    for (const std::uint64_t needed : {CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA}) {
        EXPECT_THAT(description->mechanisms, testing::Contains(needed));
    }
    EXPECT_EQ(description->free_octets, std::nullopt) << "SoftHSM2 does not tell";
}

TEST_F(TokenTest, lists_the_initialised_tokens_of_a_module) {
    hsm_.init_token("second");
    const auto tokens = list_tokens(SoftHsm::module());
    ASSERT_TRUE(tokens) << tokens.error().line();
    std::vector<std::string> labels;
    for (const auto& token : *tokens) {
        labels.push_back(token.label);
    }
    EXPECT_THAT(labels, ::testing::UnorderedElementsAre("lab", "second"));
}

class GeneratedKey : public TokenTest, public ::testing::WithParamInterface<KeySpec> {};

// TOK-2, T21: read back past Pkcs11Token, too.
TEST_P(GeneratedKey, signs_and_decrypts_and_cannot_leave_the_token) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(1), "web");
    ASSERT_TRUE(key) << key.error().line();
    EXPECT_TRUE(key->protection.confined());
    EXPECT_TRUE(key->can_sign);
    EXPECT_TRUE(key->can_decrypt);
    EXPECT_EQ(key->label, "web");
    EXPECT_EQ(key->key.id, key_id(1));
    EXPECT_EQ(key->key.public_key.bits(), bits_of(GetParam()));
    EXPECT_THAT(key->uri, HasSubstr("token=lab"));
    EXPECT_THAT(key->uri, HasSubstr("id=%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01"));
    EXPECT_THAT(key->uri, HasSubstr("type=private"));

    RawToken raw;
    const auto halves = raw.find(CKO_PRIVATE_KEY, key_id(1));
    ASSERT_EQ(halves.size(), 1U);
    pkcs11::Attributes attributes;
    attributes.expect_flag(CKA_TOKEN)
        .expect_flag(CKA_PRIVATE)
        .expect_flag(CKA_SENSITIVE)
        .expect_flag(CKA_EXTRACTABLE)
        .expect_flag(CKA_UNWRAP)
        .expect_flag(CKA_SIGN_RECOVER)
        .expect(CKA_PRIVATE_EXPONENT, 1024)
        .expect(CKA_PRIME_1, 1024);
    ASSERT_TRUE(raw.session().read(halves[0], attributes));
    EXPECT_TRUE(attributes.flag(CKA_TOKEN, false));
    EXPECT_TRUE(attributes.flag(CKA_PRIVATE, false));
    EXPECT_TRUE(attributes.flag(CKA_SENSITIVE, false));
    EXPECT_FALSE(attributes.flag(CKA_EXTRACTABLE, true));
    EXPECT_FALSE(attributes.flag(CKA_UNWRAP, true));
    EXPECT_FALSE(attributes.flag(CKA_SIGN_RECOVER, true));
    EXPECT_FALSE(attributes.octets(CKA_PRIVATE_EXPONENT));
    EXPECT_FALSE(attributes.octets(CKA_PRIME_1));
    EXPECT_EQ(raw.find(CKO_PUBLIC_KEY, key_id(1)).size(), 1U);

    const auto signature = token->sign(key->key, SignMechanism::rsa_pkcs1, digest_info("data"));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key->key.public_key, digest_info("data"), *signature));
    EXPECT_FALSE(verifies(key->key.public_key, digest_info("other"), *signature));

    const auto plain =
        token->decrypt(key->key, DecryptMechanism::rsa_pkcs1, encrypt(key->key.public_key, "content key"));
    ASSERT_TRUE(plain) << plain.error().line();
    EXPECT_EQ(as_text(plain->reveal()), "content key");
}

INSTANTIATE_TEST_SUITE_P(Sizes, GeneratedKey,
                         ::testing::Values(KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::rsa_4096),
                         [](const auto& test) { return std::to_string(bits_of(test.param)); });

// T5: by id and public key, in a login and module of its own.
TEST_F(TokenTest, finds_a_key_again_in_a_later_login) {
    const auto made = logged_in()->generate(KeySpec::rsa_2048, key_id(2), "web");
    ASSERT_TRUE(made) << made.error().line();

    const auto token = logged_in();
    const auto found = token->find(key_id(2));
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(*found);
    EXPECT_EQ((*found)->key.public_key, made->key.public_key);
    EXPECT_EQ((*found)->protection, made->protection);
    EXPECT_EQ((*found)->uri, made->uri);
    const auto signature = token->sign(made->key, SignMechanism::rsa_pkcs1, digest_info("x"));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(made->key.public_key, digest_info("x"), *signature));
}

TEST_F(TokenTest, finds_nothing_under_an_unknown_id) {
    const auto found = logged_in()->find(key_id(3));
    ASSERT_TRUE(found) << found.error().line();
    EXPECT_FALSE(*found);
}

TEST_F(TokenTest, lists_every_private_key) {
    const auto token = logged_in();
    EXPECT_TRUE(token->list_keys().value().empty());
    const auto a = token->generate(KeySpec::rsa_2048, key_id(4), "a").value();
    const auto b = token->generate(KeySpec::rsa_2048, key_id(5), "b").value();
    const auto keys = token->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    ASSERT_EQ(keys->size(), 2U);
    for (const auto& key : *keys) {
        const auto& expected = key.label == "a" ? a : b;
        EXPECT_EQ(key.key.id, expected.key.id);
        EXPECT_EQ(key.key.public_key, expected.key.public_key);
        EXPECT_TRUE(key.protection.confined());
        EXPECT_EQ(key.uri, expected.uri);
    }
}

// T24
TEST_F(TokenTest, T24_destroys_both_halves_and_says_so_only_when_they_are_gone) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(6), "web").value();
    const auto other = token->generate(KeySpec::rsa_2048, key_id(7), "web").value();
    ASSERT_TRUE(token->destroy(key_id(6)));
    RawToken raw;
    EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, key_id(6)).empty());
    EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, key_id(6)).empty());
    EXPECT_TRUE(token->find(key_id(7)).value());
    EXPECT_TRUE(token->destroy(key_id(6))) << "nothing there is success";
    const auto signature = token->sign(key.key, SignMechanism::rsa_pkcs1, digest_info("x"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_key_missing);
}

// T18
TEST_F(TokenTest, T18_half_a_pair_counts_as_nothing_and_can_be_destroyed) {
    const auto token = logged_in();
    ASSERT_TRUE(token->generate(KeySpec::rsa_2048, key_id(8), "no public half"));
    ASSERT_TRUE(token->generate(KeySpec::rsa_2048, key_id(9), "no private half"));
    RawToken raw;
    raw.destroy(CKO_PUBLIC_KEY, key_id(8));
    raw.destroy(CKO_PRIVATE_KEY, key_id(9));
    for (const auto& id : {key_id(8), key_id(9)}) {
        const auto found = token->find(id);
        ASSERT_TRUE(found) << found.error().line();
        EXPECT_FALSE(*found);
        const auto again = token->generate(KeySpec::rsa_2048, id, "again");
        ASSERT_FALSE(again);
        EXPECT_EQ(again.error().code(), ErrorCode::token_key_mismatch);
        ASSERT_TRUE(token->destroy(id));
        EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, id).empty());
        EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, id).empty());
    }
}

// T19
TEST_F(TokenTest, T19_an_id_in_use_is_never_overwritten) {
    const auto token = logged_in();
    const auto first = token->generate(KeySpec::rsa_2048, key_id(10), "first").value();
    const auto second = token->generate(KeySpec::rsa_2048, key_id(10), "second");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::token_key_mismatch);
    EXPECT_EQ(token->list_keys().value().size(), 1U);
    EXPECT_EQ((*token->find(key_id(10)).value()).key.public_key, first.key.public_key);
}

TEST_F(TokenTest, T19_two_private_keys_under_one_id_are_ambiguous) {
    const auto key = logged_in()->generate(KeySpec::rsa_2048, key_id(11), "ours").value();
    RawToken raw;
    raw.generate(key_id(11));
    const auto token = logged_in();
    EXPECT_EQ(token->find(key_id(11)).error().code(), ErrorCode::token_ambiguous);
    EXPECT_EQ(token->sign(key.key, SignMechanism::rsa_pkcs1, digest_info("x")).error().code(),
              ErrorCode::token_ambiguous);
    EXPECT_EQ(token->destroy(key_id(11)).error().code(), ErrorCode::token_ambiguous);
    EXPECT_EQ(raw.find(CKO_PRIVATE_KEY, key_id(11)).size(), 2U) << "nothing of somebody else's was destroyed";
}

// T7
TEST_F(TokenTest, makes_no_evidence_of_its_keys) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    const auto evidence = token->certify(key, Bytes(32, 1));
    ASSERT_FALSE(evidence);
    EXPECT_EQ(evidence.error().code(), ErrorCode::token_attest);
}

TEST_F(TokenTest, T7_a_key_with_another_public_key_behind_its_id_is_not_used) {
    const auto token = logged_in();
    const auto expected = token->generate(KeySpec::rsa_2048, key_id(12), "expected").value();
    ASSERT_TRUE(token->destroy(key_id(12)));
    RawToken raw;
    raw.generate(key_id(12));
    const auto signature = token->sign(expected.key, SignMechanism::rsa_pkcs1, digest_info("x"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_key_mismatch);
    const auto plain = token->decrypt(expected.key, DecryptMechanism::rsa_pkcs1, encrypt(expected.key.public_key, "x"));
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code(), ErrorCode::token_key_mismatch);
}

// ENV-18: SoftHSM 2.6.1 knows OAEP with SHA-1 alone, and says of the other that it does not, not that it failed.
TEST_F(TokenTest, ENV_18_SEC_10_decrypts_by_OAEP_what_the_token_offers) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(13), "web").value().key;
    const auto plain =
        token->decrypt(key, DecryptMechanism::rsa_oaep_sha1, encrypt(key.public_key, "content key", EVP_sha1()));
    ASSERT_TRUE(plain) << plain.error().line();
    EXPECT_EQ(as_text(plain->reveal()), "content key");
    const auto other =
        token->decrypt(key, DecryptMechanism::rsa_oaep_sha256, encrypt(key.public_key, "content key", EVP_sha256()));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::scep_algorithm);
    EXPECT_THAT(other.error().line(), AllOf(HasSubstr("does not decrypt by RSAES-OAEP with SHA-256"),
                                            HasSubstr("C_DecryptInit: CKR_"), HasSubstr("PKCS#1 v1.5")));
    const auto mixed = token->decrypt(key, DecryptMechanism::rsa_oaep_sha1, encrypt(key.public_key, "of PKCS#1 v1.5"));
    ASSERT_FALSE(mixed);
    EXPECT_EQ(mixed.error().code(), ErrorCode::token_operation);
    EXPECT_TRUE(token->decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, "y")));
}

// SEC-9: the token's answer to bad padding is one error, and nothing is stuck after it.
TEST_F(TokenTest, SEC_9_bad_padding_fails_and_leaves_the_token_usable) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(13), "web").value().key;
    Bytes corrupt = encrypt(key.public_key, "content key");
    corrupt[100] ^= 1;
    const auto plain = token->decrypt(key, DecryptMechanism::rsa_pkcs1, corrupt);
    if (!plain) {  // by chance about one in 2^16 corrupt ciphertexts has good padding
        EXPECT_EQ(plain.error().code(), ErrorCode::token_operation);
        EXPECT_THAT(plain.error().why(), HasSubstr("C_Decrypt: CKR_"));
    }
    EXPECT_TRUE(token->sign(key, SignMechanism::rsa_pkcs1, digest_info("x")));
    EXPECT_TRUE(token->decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, "y")));
}

TEST_F(TokenTest, two_tokens_of_one_label_are_ambiguous_until_a_serial_is_given) {
    hsm_.init_token("lab");
    const auto ambiguous = token_with(options())->describe();
    ASSERT_FALSE(ambiguous);
    EXPECT_EQ(ambiguous.error().code(), ErrorCode::token_ambiguous);
    EXPECT_EQ(try_login(*token_with(options())).error->code(), ErrorCode::token_ambiguous);

    const std::string serial = list_tokens(SoftHsm::module()).value().at(1).serial;
    Pkcs11Options by_serial = options();
    by_serial.uri = "pkcs11:token=lab;serial=" + serial;
    const auto description = token_with(by_serial)->describe();
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_EQ(description->serial, serial);
}

TEST_F(TokenTest, T4_a_missing_token_is_absent_and_found_when_it_comes) {
    Pkcs11Options later = options();
    later.uri = SoftHsm::token_uri("later");
    const auto token = token_with(later);
    const auto absent = token->describe();
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), ErrorCode::token_absent);
    EXPECT_THAT(absent.error().line(), HasSubstr("pkcs11:token=later"));
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_absent);
    hsm_.init_token("later");
    EXPECT_TRUE(token->describe());
}

// T1
TEST_F(TokenTest, T1_a_module_that_cannot_be_loaded_is_named_with_the_reason) {
    const auto broken = hsm_.directory() / "broken.so";
    ::hwenroll::test::write_file(broken,
                                 "\x7f"
                                 "ELF, or not");
    struct Case {
        std::string path;
        std::string reason;
    };
    for (const auto& [path, reason] :
         {Case{"/nonexistent/module.so", "No such file"}, Case{broken.string(), "short"}, Case{"libm.so.6", ""}}) {
        Pkcs11Options bad = options();
        bad.module = path;
        const auto description = token_with(bad)->describe();
        ASSERT_FALSE(description) << path;
        EXPECT_EQ(description.error().code(), ErrorCode::token_module);
        EXPECT_THAT(description.error().line(), HasSubstr(path));
        EXPECT_THAT(description.error().why(), HasSubstr(reason));
        EXPECT_EQ(list_tokens(path).error().code(), ErrorCode::token_module);
        const LoginOutcome outcome = try_login(*token_with(bad));
        EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
        EXPECT_EQ(outcome.error->code(), ErrorCode::token_module);
    }
}

TEST_F(TokenTest, refuses_uris_that_name_more_than_a_token) {
    for (const char* const uri :
         {"pkcs11:token=lab?pin-value=canary", "pkcs11:token=lab;slot-id=0", "pkcs11:slot-description=x",
          "pkcs11:token=lab;object=key", "pkcs11:token=lab;id=%01", "pkcs11:library-manufacturer=x",
          "pkcs11:token=lab?module-path=/x", "pkcs11:token=lab?pin-source=file:/canary", "pkcs11:unheard=of",
          "http://canary", "pkcs11:token=%zz", ""}) {
        Pkcs11Options bad = options();
        bad.uri = uri;
        const auto description = token_with(bad)->describe();
        ASSERT_FALSE(description) << uri;
        EXPECT_EQ(description.error().code(), ErrorCode::config_value) << uri;
        EXPECT_THAT(description.error().line(), Not(HasSubstr("canary")));
    }
}

TEST_F(TokenTest, key_operations_need_a_login) {
    const auto token = token_with(options());
    EXPECT_EQ(token->list_keys().error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->find(key_id(1)).error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->generate(KeySpec::rsa_2048, key_id(1), "x").error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->destroy(key_id(1)).error().code(), ErrorCode::token_operation);
}

// "Implementations serialise calls themselves": without the lock SoftHSM 2.6.1 crashes here (token-stack part 2 §4).
TEST_F(TokenTest, may_be_used_by_several_threads) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(14), "web").value().key;
    std::vector<std::thread> threads;
    threads.reserve(4);
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, text = std::to_string(i)] {
            for (int n = 0; n < 25; ++n) {
                const auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(text));
                good += signature && verifies(key.public_key, digest_info(text), *signature) ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(good, 100);
}

// token-stack part 2 §3: SoftHSM leaves "no such engine" behind.
TEST_F(TokenTest, leaves_libcryptos_error_queue_as_it_was) {
    take_openssl_errors();
    const auto token = logged_in();
    ASSERT_TRUE(token->generate(KeySpec::rsa_2048, key_id(15), "web"));
    EXPECT_EQ(take_openssl_errors(), "");
}

}  // namespace
}  // namespace hwenroll::keystore::test
