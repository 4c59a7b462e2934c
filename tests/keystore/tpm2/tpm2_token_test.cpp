// Tpm2Token on swtpm: the contract of keystore/token.h.
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "keystore/openssl/self_test.h"
#include "tests/keystore/tpm2/tpm_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(TpmTest, describes_itself_without_login) {
    const auto description = token_with(options())->describe();
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_EQ(description->label, "tpm");
    EXPECT_EQ(description->manufacturer, "IBM");
    EXPECT_THAT(description->model, HasSubstr("TPM"));
    EXPECT_EQ(description->serial.size(), 16U);
    EXPECT_EQ(description->uri, "tpm2:serial=" + description->serial);
    EXPECT_TRUE(description->initialized);
    EXPECT_FALSE(description->login_required);
    expect_nothing_loaded();
}

class GeneratedTpmKey : public TpmTest, public ::testing::WithParamInterface<KeySpec> {};

// TOK-2, T21.
TEST_P(GeneratedTpmKey, signs_and_opens_and_cannot_leave_the_tpm) {
    const auto token = logged_in();
    const auto made = token->generate(GetParam(), key_id(1), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_TRUE(made->protection.confined());
    EXPECT_TRUE(made->can_sign);
    EXPECT_EQ(made->can_decrypt, !is_ec(GetParam()));
    EXPECT_EQ(made->can_derive, is_ec(GetParam()));
    EXPECT_EQ(made->key.id, key_id(1));
    EXPECT_TRUE(matches(GetParam(), made->key.public_key)) << made->key.public_key.text();
    EXPECT_EQ(made->uri, "");
    EXPECT_THAT(made->key.pem, StartsWith("-----BEGIN TSS2 PRIVATE KEY-----\n"));
    EXPECT_LE(made->key.pem.size(), max_key_pem / 3);
    expect_signs(*token, made->key);
    EXPECT_TRUE(opening_self_test(*token, made->key));
    expect_nothing_loaded();
    EXPECT_EQ(handles("handles-persistent"), "");
}

TEST_P(GeneratedTpmKey, serves_another_process_and_survives_a_restart_of_the_tpm) {
    const auto made = logged_in()->generate(GetParam(), key_id(2), "web");
    ASSERT_TRUE(made) << made.error().line();
    expect_signs(*logged_in(), made->key);
    tpm_.stop();
    tpm_.start();
    const auto token = logged_in();
    expect_signs(*token, made->key);
    const auto again = token->look_up(made->key);
    ASSERT_TRUE(again) << again.error().line();
    EXPECT_EQ(again->key.public_key, made->key.public_key);
    EXPECT_TRUE(again->protection.confined());
}

TEST_P(GeneratedTpmKey, is_kept_under_a_persistent_handle_and_found_by_its_id) {
    const auto token = logged_in(persistent_options());
    const auto made = token->generate(GetParam(), key_id(3), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_EQ(made->key.pem, "");
    EXPECT_EQ(made->uri, "handle:0x81000010");
    EXPECT_THAT(handles("handles-persistent"), HasSubstr("0x81000010"));
    tpm_.stop();
    tpm_.start();
    const auto found = logged_in(persistent_options())->find(key_id(3));
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->key.public_key, made->key.public_key);
    EXPECT_EQ((*found)->uri, "handle:0x81000010");
    EXPECT_TRUE((*found)->protection.confined());
    expect_signs(*token, made->key);
    EXPECT_TRUE(opening_self_test(*token, made->key));
    expect_nothing_loaded();
    const Status destroyed = token->destroy(key_id(3));
    ASSERT_TRUE(destroyed) << destroyed.error().line();
    EXPECT_EQ(handles("handles-persistent"), "");
    EXPECT_EQ(token->find(key_id(3)).value(), std::nullopt);
    EXPECT_EQ(sign_text(*token, made->key, "data").error().code(), ErrorCode::token_key_missing);
    EXPECT_TRUE(token->destroy(key_id(3)));
}

INSTANTIATE_TEST_SUITE_P(Kinds, GeneratedTpmKey,
                         ::testing::Values(KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) {
                             return (is_ec(test.param) ? "P" : "RSA") + std::to_string(bits_of(test.param));
                         });

TEST_F(TpmTest, an_rsa_key_decrypts) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(4), "web").value().key;
    const auto plain = token->decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, "content key"));
    ASSERT_TRUE(plain) << plain.error().line();
    EXPECT_EQ(as_text(plain->reveal()), "content key");
}

TEST_F(TpmTest, ENV_18_an_rsa_key_decrypts_by_OAEP) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(4), "web").value().key;
    for (const auto& [mechanism, hash] : {std::pair{DecryptMechanism::rsa_oaep_sha1, EVP_sha1()},
                                          std::pair{DecryptMechanism::rsa_oaep_sha256, EVP_sha256()}}) {
        const auto plain = token->decrypt(key, mechanism, encrypt(key.public_key, "content key", hash));
        ASSERT_TRUE(plain) << plain.error().line();
        EXPECT_EQ(as_text(plain->reveal()), "content key");
        const auto other = token->decrypt(key, mechanism, encrypt(key.public_key, "of PKCS#1 v1.5"));
        ASSERT_FALSE(other);
        EXPECT_EQ(other.error().code(), ErrorCode::token_operation);
    }
    expect_signs(*token, key);
    expect_nothing_loaded();
}

// SEC-9, BAD-103.
TEST_F(TpmTest, bad_ciphertexts_are_refused_alike_and_leave_the_key_usable) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(4), "web").value().key;
    Bytes spoilt = encrypt(key.public_key, "content key");
    spoilt.back() ^= 1U;
    const auto plain = token->decrypt(key, DecryptMechanism::rsa_pkcs1, spoilt);
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->decrypt(key, DecryptMechanism::rsa_pkcs1, Bytes(255, 1)).error().code(),
              ErrorCode::token_operation);
    EXPECT_EQ(token->decrypt(key, DecryptMechanism::rsa_pkcs1, Bytes(256, 0xFF)).error().code(),
              ErrorCode::token_operation);
    expect_signs(*token, key);
    expect_nothing_loaded();
}

TEST_F(TpmTest, every_digest_is_signed) {
    const auto token = logged_in();
    const auto rsa = token->generate(KeySpec::rsa_2048, key_id(5), "web").value().key;
    const auto p256 = token->generate(KeySpec::ec_p256, key_id(6), "web").value().key;
    const auto p384 = token->generate(KeySpec::ec_p384, key_id(7), "web").value().key;
    for (const char* algorithm : {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"}) {
        const Bytes hash = digest(algorithm, "data");
        for (const KeyReference& key : {p256, p384}) {
            const auto signature = token->sign(key, SignMechanism::ecdsa, hash);
            ASSERT_TRUE(signature) << algorithm << ' ' << signature.error().line();
            EXPECT_TRUE(verifies(key.public_key, hash, *signature)) << algorithm << ' ' << key.public_key.text();
        }
    }
    // A DigestInfo of no hash that a TPM knows, here an unassigned one: padded in software.
    for (Bytes info : {digest_info("data"), Bytes(19, 0x42), Bytes(245, 0x42)}) {
        const auto signature = token->sign(rsa, SignMechanism::rsa_pkcs1, info);
        ASSERT_TRUE(signature) << signature.error().line();
        EXPECT_TRUE(verifies(rsa.public_key, info, *signature));
    }
    EXPECT_EQ(token->sign(rsa, SignMechanism::rsa_pkcs1, Bytes(246, 1)).error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->sign(p256, SignMechanism::ecdsa, Bytes(19, 1)).error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->sign(p256, SignMechanism::rsa_pkcs1, digest_info("data")).error().code(),
              ErrorCode::token_operation);
    EXPECT_EQ(token->sign(rsa, SignMechanism::ecdsa, Bytes(32, 1)).error().code(), ErrorCode::token_operation);
}

TEST_F(TpmTest, ec_keys_agree_on_secrets) {
    const auto token = logged_in();
    for (const KeySpec spec : {KeySpec::ec_p256, KeySpec::ec_p384}) {
        const auto one = token->generate(spec, key_id(8), "web").value().key;
        const auto other = token->generate(spec, key_id(9), "web").value().key;
        const auto secret = token->agree(one, other.public_key);
        ASSERT_TRUE(secret) << secret.error().line();
        EXPECT_EQ(secret->size(), static_cast<std::size_t>(bits_of(spec) / 8));
        EXPECT_TRUE(equal(secret->reveal(), token->agree(other, one.public_key)->reveal()));
        const auto rsa = PublicKey::from_rsa(Bytes(256, 0xA5), Bytes{1, 0, 1}).value();
        EXPECT_EQ(token->agree(one, rsa).error().code(), ErrorCode::token_operation);
    }
}

TEST_F(TpmTest, a_size_that_the_tpm_cannot_make_is_said_by_name) {
    const auto made = logged_in()->generate(KeySpec::rsa_4096, key_id(1), "web");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::token_key_kind);
    EXPECT_THAT(made.error().line(), HasSubstr("token 'tpm' cannot make rsa:4096 keys"));
    expect_nothing_loaded();
}

TEST_F(TpmTest, key_operations_need_a_login) {
    const auto token = token_with(options());
    EXPECT_EQ(token->list_keys().error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->find(key_id(1)).error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(1), "x").error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->destroy(key_id(1)).error().code(), ErrorCode::token_operation);
    const LoginOutcome outcome = token->login({});
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
}

TEST_F(TpmTest, an_id_of_another_length_is_refused) {
    const auto made = logged_in()->generate(KeySpec::ec_p256, KeyId{Bytes(4, 0x81)}, "web");
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().line(), HasSubstr("16 octets"));
}

// T7: a key is used only with the blob and the public key that belong together.
TEST_F(TpmTest, T7_another_keys_blob_or_handle_is_not_used) {
    const auto token = logged_in();
    const auto one = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    const auto other = token->generate(KeySpec::ec_p256, key_id(2), "web").value().key;
    EXPECT_EQ(sign_text(*token, {one.id, one.public_key, other.pem}, "x").error().code(),
              ErrorCode::token_key_mismatch);
    EXPECT_EQ(sign_text(*token, {other.id, one.public_key, one.pem}, "x").error().code(),
              ErrorCode::token_key_mismatch);
    const auto persistent = logged_in(persistent_options());
    const auto kept = persistent->generate(KeySpec::ec_p256, key_id(3), "web").value().key;
    EXPECT_EQ(sign_text(*persistent, {kept.id, one.public_key}, "x").error().code(), ErrorCode::token_key_mismatch);
    EXPECT_EQ(persistent->look_up({kept.id, one.public_key}).error().code(), ErrorCode::token_key_mismatch);
    EXPECT_EQ(persistent->look_up({key_id(4), one.public_key}).error().code(), ErrorCode::token_key_missing);
}

// T19.
TEST_F(TpmTest, T19_an_id_in_use_is_never_overwritten) {
    const auto token = logged_in(persistent_options());
    const auto made = token->generate(KeySpec::ec_p256, key_id(1), "web").value();
    const auto second = token->generate(KeySpec::ec_p256, key_id(1), "web");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::token_key_mismatch);
    EXPECT_EQ(token->find(key_id(1)).value()->key.public_key, made.key.public_key);
}

// T17, invariant 9: a key whose answer was lost is found by the id that was chosen before.
TEST_F(TpmTest, T17_a_key_whose_answer_was_lost_is_found_by_its_id) {
    ASSERT_TRUE(logged_in(persistent_options())->generate(KeySpec::rsa_2048, key_id(1), "web"));
    const auto keys = logged_in(persistent_options())->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    ASSERT_EQ(keys->size(), 1U);
    EXPECT_EQ(keys->front().key.id, key_id(1));
    EXPECT_EQ(logged_in()->find(key_id(1)).value()->uri, "handle:0x81000010");
}

// T16: of the three handles one is another program's (P15).
TEST_F(TpmTest, T16_P15_a_full_range_is_named_and_foreign_handles_are_left_alone) {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "p.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "p.ctx", "0x81000011"});
    const auto token = logged_in(persistent_options());
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(1), "web")->uri, "handle:0x81000010");
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(2), "web")->uri, "handle:0x81000012");
    const auto third = token->generate(KeySpec::ec_p256, key_id(3), "web");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), ErrorCode::token_full);
    EXPECT_THAT(third.error().line(), HasSubstr("from 0x81000010 to 0x81000012"));
    expect_nothing_loaded();
    ASSERT_TRUE(token->destroy(key_id(1)));
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(3), "web")->uri, "handle:0x81000010");
    EXPECT_THAT(handles("handles-persistent"), HasSubstr("0x81000011"));
}

TEST_F(TpmTest, P15_a_foreign_persistent_key_is_found_by_its_handle_used_and_never_destroyed) {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "p.ctx"});
    tpm_.must({"tpm2_create", "-Q", "-C", "p.ctx", "-G", "rsa2048", "-a",
               "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|decrypt|sign|noda", "-u", "k.pub", "-r",
               "k.priv"});
    tpm_.must({"tpm2_flushcontext", "-t"});
    tpm_.must({"tpm2_load", "-Q", "-C", "p.ctx", "-u", "k.pub", "-r", "k.priv", "-c", "k.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "k.ctx", "0x81010001"});
    const auto token = logged_in();
    const KeyId id{{0x81, 0x01, 0x00, 0x01}};
    const auto found = token->find(id);
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->uri, "handle:0x81010001");
    EXPECT_TRUE((*found)->can_decrypt);
    expect_signs(*token, (*found)->key);
    const auto keys = token->list_keys().value();
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(keys.front().key.id, id);
    EXPECT_EQ(token->destroy(id).error().code(), ErrorCode::token_operation);
    expect_signs(*token, (*found)->key);
    EXPECT_EQ(token->find(KeyId{{0x81, 0x01, 0x00, 0x02}}).value(), std::nullopt);
}

// Two storage root keys: the one that a blob names is used for it, whatever is provisioned later.
TEST_F(TpmTest, a_blob_keeps_its_parent_when_a_storage_root_key_is_provisioned_later) {
    const auto before = logged_in()->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    const std::string serial = logged_in()->describe()->serial;
    // Subject to dictionary attack protection by default: another key than ours.
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "p.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "p.ctx", "0x81000001"});
    const auto token = logged_in();
    expect_signs(*token, before);
    const auto after = token->generate(KeySpec::ec_p256, key_id(2), "web").value().key;
    expect_signs(*token, after);
    EXPECT_NE(token->describe()->serial, serial);
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "0x81000001"});
    expect_signs(*token, before);
    const auto orphan = sign_text(*token, after, "x");
    ASSERT_FALSE(orphan);
    EXPECT_EQ(orphan.error().code(), ErrorCode::token_changed);
}

TEST_F(TpmTest, may_be_used_by_several_threads) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::ec_p256, key_id(14), "web").value().key;
    std::vector<std::thread> threads;
    threads.reserve(4);
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, text = std::to_string(i)] {
            for (int n = 0; n < 10; ++n) {
                const auto signature = sign_text(*token, key, text);
                good += signature && verifies(key.public_key, digest("SHA256", text), *signature) ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(good, 40);
}

// P4, P5: a bare TPM has three slots of each kind, so one leak in a kind of failure would show here.
TEST_F(TpmTest, P4_P5_two_hundred_operations_leave_nothing_behind) {
    const auto token = logged_in();
    const auto rsa = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    const auto ec = token->generate(KeySpec::ec_p256, key_id(2), "web").value().key;
    for (int round = 0; round < 40; ++round) {
        EXPECT_TRUE(sign_text(*token, rsa, "data"));
        EXPECT_TRUE(sign_text(*token, ec, "data"));
        EXPECT_FALSE(token->decrypt(rsa, DecryptMechanism::rsa_pkcs1, Bytes(256, 0x55)));
        EXPECT_FALSE(token->generate(KeySpec::rsa_4096, key_id(3), "web"));
        EXPECT_FALSE(sign_text(*token, {ec.id, ec.public_key, rsa.pem}, "data"));
    }
    expect_nothing_loaded();
    // Nothing of it was repeated either: each signature has come at the first try.
    EXPECT_TRUE(sign_text(*token, rsa, "data"));
}

}  // namespace
}  // namespace hwenroll::keystore::test
