// What a misbehaving module or token does to Pkcs11Token (fault catalogue, T table).
#include <chrono>
#include <functional>

#include <gmock/gmock.h>

#include "keystore/openssl/key_provider.h"
#include "keystore/openssl/self_test.h"
#include "tests/keystore/pkcs11/token_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;

/// A key made beforehand, so that the rules' numbers count only what the test does.
class FaultyToken : public ShimTest {
 protected:
    FaultyToken() : key_(logged_in()->generate(KeySpec::rsa_2048, key_id(1), "web").value().key) {}

    std::unique_ptr<Pkcs11Token> scripted(const std::string& rules) {
        script(rules);
        return logged_in(shim_options());
    }

    Result<Bytes> sign(Pkcs11Token& token) const {
        return token.sign(key_, SignMechanism::rsa_pkcs1, digest_info("data"));
    }
    Result<Secret> decrypt(Pkcs11Token& token) const {
        return token.decrypt(key_, DecryptMechanism::rsa_pkcs1, encrypt(key_.public_key, "content key"));
    }

    KeyReference key_;
};

TEST_F(FaultyToken, T15_a_signature_survives_two_transient_errors) {
    const auto token = scripted("C_Sign:1-2:rv=0x30");
    const auto signature = sign(*token);
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key_.public_key, digest_info("data"), *signature));
    EXPECT_EQ(calls("C_Sign"), 3);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(FaultyToken, T15_gives_up_after_three_tries_and_names_the_call) {
    const auto token = scripted("C_Sign:*:rv=0x30");
    const auto signature = sign(*token);
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(signature.error().line(), HasSubstr("token 'lab' cannot sign (C_Sign: CKR_DEVICE_ERROR (0x30))"));
    EXPECT_EQ(calls("C_Sign"), 3);
}

// PKCS#11 v2.40 §5.1.1: CKR_GENERAL_ERROR is "unrecoverable". tpm2-pkcs11 1.9.0 says nothing else once its TPM's broker
// has been started again.
TEST_F(FaultyToken, T15_a_module_that_fails_for_good_is_loaded_anew_with_the_next_login) {
    const auto token = scripted("C_Sign:1-6:rv=0x5");
    EXPECT_EQ(sign(*token).error().code(), ErrorCode::token_operation);
    const auto lost = sign(*token);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::token_login_lost) << lost.error().line();
    EXPECT_THAT(lost.error().line(), HasSubstr("C_Sign: CKR_GENERAL_ERROR"));
    EXPECT_EQ(calls("C_Initialize"), 1);
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    EXPECT_EQ(calls("C_Initialize"), 2);
    EXPECT_TRUE(sign(*token));
}

TEST_F(FaultyToken, T15_so_is_one_that_generates_no_key) {
    const auto token = scripted("C_GenerateKeyPair:*:rv=0x5");
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(5), "web").error().code(), ErrorCode::token_operation);
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(5), "web").error().code(), ErrorCode::token_login_lost);
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    EXPECT_EQ(calls("C_Initialize"), 2);
    EXPECT_TRUE(sign(*token));
}

TEST_F(FaultyToken, T15_failures_between_which_the_token_has_signed_cost_no_login) {
    const auto token = scripted("C_Sign:1-3:rv=0x5,C_Sign:5-7:rv=0x5");
    EXPECT_EQ(sign(*token).error().code(), ErrorCode::token_operation);
    EXPECT_TRUE(sign(*token));
    EXPECT_EQ(sign(*token).error().code(), ErrorCode::token_operation);
    EXPECT_TRUE(sign(*token));
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(FaultyToken, SEC_9_decryption_is_never_repeated_after_an_error) {
    for (const auto* const rv : {"0x5", "0x6", "0x30", "0x40", "0x150"}) {
        const int before = calls("C_Decrypt");
        const auto token = scripted(std::string("C_Decrypt:1:rv=") + rv);
        const auto plain = decrypt(*token);
        ASSERT_FALSE(plain) << rv;
        EXPECT_EQ(plain.error().code(), ErrorCode::token_operation);
        EXPECT_EQ(calls("C_Decrypt"), before + 1) << rv;
        // The shim has left the operation active in SoftHSM, as a short ciphertext does (token-stack §8).
        EXPECT_TRUE(sign(*token)) << rv;
        EXPECT_TRUE(decrypt(*token)) << rv;
    }
}

// token-stack part 2 §6: no visible difference in time after bad padding.
TEST_F(FaultyToken, SEC_9_bad_padding_costs_no_new_session) {
    const auto token = scripted("");
    Bytes corrupt = encrypt(key_.public_key, "content key");
    corrupt[10] ^= 1;
    token->decrypt(key_, DecryptMechanism::rsa_pkcs1, corrupt);
    EXPECT_TRUE(decrypt(*token));
    EXPECT_EQ(calls("C_OpenSession"), 1);
}

TEST_F(FaultyToken, BAD_103_a_ciphertext_of_another_length_never_reaches_the_token) {
    const auto token = scripted("");
    for (const std::size_t size : {0U, 255U, 257U, 384U}) {
        const auto plain = token->decrypt(key_, DecryptMechanism::rsa_pkcs1, Bytes(size, 1));
        ASSERT_FALSE(plain);
        EXPECT_EQ(plain.error().code(), ErrorCode::token_operation);
    }
    EXPECT_EQ(calls("C_DecryptInit"), 0);
    EXPECT_EQ(calls("C_FindObjectsInit"), 1) << "for settle_login() alone";
}

struct StaleCase {
    const char* name;
    const char* rule;
};

void PrintTo(const StaleCase& stale, std::ostream* out) {
    *out << stale.rule;
}

class StaleHandle : public FaultyToken, public ::testing::WithParamInterface<StaleCase> {};

// T5, T6
TEST_P(StaleHandle, is_found_again_in_a_new_session_of_the_same_login) {
    const auto token = scripted(GetParam().rule);
    EXPECT_TRUE(sign(*token));
    EXPECT_TRUE(decrypt(*token));
    EXPECT_EQ(calls("C_Login"), 1);
    EXPECT_EQ(calls("C_OpenSession"), 2);
}

INSTANTIATE_TEST_SUITE_P(T5_T6, StaleHandle,
                         ::testing::Values(StaleCase{"session_in_sign_init", "C_SignInit:1:rv=0xb3"},
                                           StaleCase{"session_in_sign", "C_Sign:1:rv=0xb3"},
                                           StaleCase{"session_closed", "C_SignInit:1:rv=0xb0"},
                                           StaleCase{"object", "C_SignInit:1:rv=0x82"},
                                           StaleCase{"key", "C_SignInit:1:rv=0x60"},
                                           StaleCase{"not_logged_in", "C_SignInit:1:rv=0x101"},
                                           StaleCase{"search", "C_FindObjectsInit:1:rv=0xb3"},
                                           StaleCase{"active", "C_DecryptInit:1:rv=0x90"},
                                           StaleCase{"session_in_decrypt", "C_Decrypt:1:rv=0xb3"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(FaultyToken, T3_a_slow_call_is_waited_for) {
    const auto token = scripted("C_Sign:1:delay=300");
    const auto before = std::chrono::steady_clock::now();
    const auto signature = sign(*token);
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key_.public_key, digest_info("data"), *signature));
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(300));
}

TEST_F(FaultyToken, a_buffer_that_is_said_to_be_too_small_ends_the_operation_and_no_later_one) {
    const auto token = scripted("C_Sign:1:small,C_Decrypt:1:small");
    const auto signature = sign(*token);
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(signature.error().line(), HasSubstr("C_Sign: CKR_BUFFER_TOO_SMALL (0x150)"));
    const auto plain = decrypt(*token);
    ASSERT_FALSE(plain);
    EXPECT_THAT(plain.error().line(), HasSubstr("C_Decrypt: CKR_BUFFER_TOO_SMALL (0x150)"));
    // The real operations are still active (PKCS#11 v2.40 §5.2).
    EXPECT_TRUE(sign(*token));
    EXPECT_TRUE(decrypt(*token));
}

TEST_F(FaultyToken, a_size_beyond_the_buffer_is_not_believed) {
    const auto token = scripted("C_Sign:1:size=+1000000,C_Decrypt:1:size=+1000000");
    const auto signature = sign(*token);
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_EQ(signature->size(), 256U);
    const auto plain = decrypt(*token);
    ASSERT_TRUE(plain) << plain.error().line();
    EXPECT_EQ(plain->size(), 256U);
}

/// The rules may stand in a file.
TEST_F(FaultyToken, T6_handles_that_have_become_invalid_are_found_again_in_the_same_login) {
    const auto rules = hsm_.directory() / "rules";
    ::hwenroll::test::write_file(rules,
                                 "# each object is another number from the second signature on\n"
                                 "C_SignInit:2:stale\n\nC_DecryptInit:2:stale\n");
    const auto token = scripted(rules.string());
    for (int round = 0; round < 2; ++round) {
        const auto signature = sign(*token);
        ASSERT_TRUE(signature) << signature.error().line();
        EXPECT_TRUE(verifies(key_.public_key, digest_info("data"), *signature));
    }
    EXPECT_EQ(calls("C_SignInit"), 3);
    EXPECT_TRUE(decrypt(*token));
    EXPECT_TRUE(decrypt(*token));
    EXPECT_EQ(calls("C_DecryptInit"), 3);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(FaultyToken, T6_a_handle_that_becomes_invalid_while_destroying_costs_a_second_search) {
    const auto token = scripted("C_DestroyObject:2:stale");
    const auto destroyed = token->destroy(key_.id);
    EXPECT_TRUE(destroyed) << destroyed.error().line();
    RawToken raw;
    EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, key_.id).empty());
    EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, key_.id).empty());
}

TEST_F(FaultyToken, T6_a_handle_that_becomes_invalid_after_a_generation_costs_no_second_key) {
    const auto token = scripted("C_GetAttributeValue:1:stale");
    const auto made = token->generate(KeySpec::rsa_2048, key_id(5), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_EQ(calls("C_GenerateKeyPair"), 1);
}

// The token logs out with its last session (PKCS#11 v2.40 §5.6), so only somebody else's session keeps the login.
TEST_F(FaultyToken, T5_a_closed_session_costs_the_login_unless_another_one_keeps_it) {
    const auto token = scripted("C_SignInit:1-2:close");
    const auto lost = sign(*token);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::token_login_lost) << lost.error().line();
    EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    const RawToken other;
    const auto kept = sign(*token);
    ASSERT_TRUE(kept) << kept.error().line();
    EXPECT_EQ(calls("C_SignInit"), 3);
    EXPECT_EQ(calls("C_Login"), 2);
}

/// Two keys on the token, and a module that takes one for the other.
class SwappingToken : public FaultyToken {
 protected:
    SwappingToken() { RawToken().generate(key_id(9)); }
};

TEST_F(SwappingToken, T7_a_signature_by_another_key_does_not_get_out) {
    const std::shared_ptr<Pkcs11Token> token = scripted("C_SignInit:1:swap");
    const auto key = to_evp_pkey(token, key_);
    ASSERT_TRUE(key) << key.error().line();
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    Bytes signature(256);
    std::size_t size = signature.size();
    const ByteView data = as_bytes("data");
    ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key->get()), 1);
    EXPECT_NE(EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()), 1);
    ASSERT_TRUE(last_key_error(key->get()));
    EXPECT_EQ(last_key_error(key->get())->code(), ErrorCode::token_key_mismatch);
    EXPECT_EQ(calls("C_SignInit"), 1);
}

TEST_F(SwappingToken, T7_TOK_4_an_opening_by_another_key_fails_the_self_test) {
    const auto token = scripted("C_DecryptInit:1:swap");
    const Status opens = opening_self_test(*token, key_);
    ASSERT_FALSE(opens);
    EXPECT_EQ(opens.error().code(), ErrorCode::token_self_test) << opens.error().line();
    EXPECT_TRUE(opening_self_test(*token, key_));
}

// The search for the id gives the other key's handle, or the handle leads to the other key's attributes.
TEST_F(SwappingToken, T7_another_key_found_under_the_id_is_not_used) {
    for (const auto* const rule : {"C_FindObjects:2:swap", "C_GetAttributeValue:1-9:swap"}) {
        const auto token = scripted(rule);
        const auto signature = sign(*token);
        ASSERT_FALSE(signature) << rule;
        EXPECT_EQ(signature.error().code(), ErrorCode::token_key_mismatch) << signature.error().line();
        EXPECT_EQ(calls("C_SignInit"), 0) << rule;
    }
}

TEST_F(FaultyToken, T7_another_modulus_behind_the_id_is_not_used) {
    const auto token = scripted("C_GetAttributeValue:*:wrong=modulus");
    const auto signature = sign(*token);
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_key_mismatch) << signature.error().line();
    EXPECT_EQ(calls("C_SignInit"), 0);
}

TEST_F(FaultyToken, T5_a_handle_that_stays_stale_is_given_up_after_one_repeat) {
    const auto token = scripted("C_Sign:*:rv=0xb3");
    const auto signature = sign(*token);
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(signature.error().why(), HasSubstr("C_Sign: CKR_SESSION_HANDLE_INVALID (0xb3)"));
    EXPECT_EQ(calls("C_Sign"), 2);
}

TEST_F(TokenTest, T13_a_lost_login_is_an_error_until_the_next_login) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(2), "web").value().key;
    RawToken().log_out();
    const auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info("x"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_login_lost);
    EXPECT_THAT(signature.error().line(), HasSubstr("has ended the login"));
    EXPECT_FALSE(token->list_keys());
    EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    EXPECT_TRUE(token->sign(key, SignMechanism::rsa_pkcs1, digest_info("x")));
}

// A session without login answers every search for a private object with CKR_OK and nothing.
TEST_F(TokenTest, T13_an_empty_answer_after_a_logout_is_not_believed) {
    const auto key = logged_in()->generate(KeySpec::rsa_2048, key_id(2), "web").value().key;
    const std::vector<std::function<Error(Token&)>> questions{
        [](Token& token) { return token.find(key_id(2)).error(); },
        [](Token& token) { return token.list_keys().error(); },
        [](Token& token) { return token.destroy(key_id(2)).error(); },
        [&](Token& token) { return token.sign(key, SignMechanism::rsa_pkcs1, digest_info("x")).error(); },
    };
    for (const auto& ask : questions) {
        const auto token = logged_in();
        RawToken().log_out();
        EXPECT_EQ(ask(*token).code(), ErrorCode::token_login_lost);
    }
    RawToken raw;
    EXPECT_EQ(raw.find(CKO_PRIVATE_KEY, key_id(2)).size(), 1U);
    EXPECT_EQ(raw.find(CKO_PUBLIC_KEY, key_id(2)).size(), 1U) << "half a pair was destroyed";
}

// The logout comes between the two halves: what is no longer seen is not gone.
TEST_F(FaultyToken, T13_a_logout_while_destroying_is_not_taken_for_success) {
    const auto token = scripted("C_DestroyObject:1:logout");
    EXPECT_EQ(token->destroy(key_.id).error().code(), ErrorCode::token_login_lost);
    EXPECT_EQ(RawToken().find(CKO_PRIVATE_KEY, key_.id).size(), 1U);
}

TEST_F(FaultyToken, T8_a_module_that_has_forgotten_us_ends_the_login) {
    for (const auto* const call : {"C_SignInit:1:rv=0x190", "C_SignInit:1:rv=0xb3,C_OpenSession:2:rv=0x190",
                                   "C_SignInit:1:rv=0xb3,C_GetSessionInfo:1:rv=0xb3"}) {
        const auto token = scripted(call);
        const auto signature = sign(*token);
        ASSERT_FALSE(signature) << call;
        EXPECT_EQ(signature.error().code(), ErrorCode::token_login_lost) << call;
        EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::accepted) << call;
        EXPECT_TRUE(sign(*token)) << call;
    }
}

TEST_F(FaultyToken, T4_a_removed_token_is_absent) {
    const auto token = scripted("C_Sign:1:rv=0x32");
    const auto removed = sign(*token);
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code(), ErrorCode::token_absent);
    EXPECT_EQ(calls("C_Sign"), 1);
}

TEST_F(TokenTest, T4_a_token_directory_that_goes_and_comes_back) {
    const auto key = logged_in()->generate(KeySpec::rsa_2048, key_id(3), "web").value().key;
    auto token = logged_in();
    ASSERT_TRUE(token->find(key_id(3)).value());
    const auto hidden = hsm_.directory() / "hidden";
    std::filesystem::rename(hsm_.token_directory(), hidden);
    const auto gone = token->sign(key, SignMechanism::rsa_pkcs1, digest_info("x"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().info().remedy, Remedy::wait_token) << gone.error().line();
    std::filesystem::rename(hidden, hsm_.token_directory());
    token.reset();  // SoftHSM looks for tokens only in C_Initialize
    const auto later = logged_in();
    EXPECT_TRUE(later->sign(key, SignMechanism::rsa_pkcs1, digest_info("x")));
}

TEST_F(FaultyToken, T16_a_full_token_is_said_to_be_full) {
    const auto token = scripted("C_GenerateKeyPair:1:rv=0x31");
    const auto key = token->generate(KeySpec::rsa_2048, key_id(4), "web");
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_full);
}

// T5, T17: between generation and read-back only the search is repeated.
TEST_F(FaultyToken, T5_a_session_that_ends_after_a_generation_costs_no_second_key) {
    const auto token = scripted("C_GetAttributeValue:1:rv=0xb3");
    const auto key = token->generate(KeySpec::rsa_2048, key_id(5), "web");
    ASSERT_TRUE(key) << key.error().line();
    EXPECT_EQ(key->key.id, key_id(5));
    EXPECT_EQ(calls("C_GenerateKeyPair"), 1);
    EXPECT_EQ(RawToken().find(CKO_PRIVATE_KEY, key_id(5)).size(), 1U);
}

TEST_F(FaultyToken, T5_a_generation_that_ends_with_the_session_is_not_repeated) {
    const auto token = scripted("C_GenerateKeyPair:1:rv=0xb0");
    EXPECT_FALSE(token->generate(KeySpec::rsa_2048, key_id(5), "web"));
    EXPECT_EQ(calls("C_GenerateKeyPair"), 1);
    EXPECT_TRUE(token->generate(KeySpec::rsa_2048, key_id(5), "web"));
}

// tpm2-pkcs11 1.9.0 says CKR_GENERAL_ERROR to what an EC key may not.
TEST_F(FaultyToken, a_template_that_the_token_does_not_take_is_said_in_fewer_words) {
    for (const char* const rv : {"0x5", "0x12", "0x13", "0xd1"}) {
        const int before = calls("C_GenerateKeyPair");
        const auto token = scripted(std::string("C_GenerateKeyPair:1:rv=") + rv);
        const auto key = token->generate(KeySpec::ec_p256, key_id(5), "web");
        ASSERT_TRUE(key) << rv << ' ' << key.error().line();
        EXPECT_TRUE(key->protection.confined());
        EXPECT_TRUE(key->can_sign && key->can_derive);
        EXPECT_EQ(calls("C_GenerateKeyPair"), before + 2);
        EXPECT_TRUE(token->destroy(key_id(5)));
    }
}

TEST_F(FaultyToken, a_generation_that_fails_in_fewer_words_too_is_given_up) {
    const auto token = scripted("C_GenerateKeyPair:*:rv=0x13");
    const auto key = token->generate(KeySpec::rsa_2048, key_id(5), "web");
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(key.error().line(), HasSubstr("CKR_ATTRIBUTE_VALUE_INVALID"));
    EXPECT_EQ(calls("C_GenerateKeyPair"), 2);
    EXPECT_TRUE(RawToken().find(CKO_PRIVATE_KEY, key_id(5)).empty());
}

TEST_F(FaultyToken, T21_a_key_that_cannot_be_destroyed_is_said_to_stay) {
    const auto token = scripted("C_GetAttributeValue:1:rv=0x30,C_DestroyObject:*:rv=0x30");
    const auto key = token->generate(KeySpec::rsa_2048, key_id(5), "web");
    ASSERT_FALSE(key);
    EXPECT_THAT(key.error().line(), HasSubstr("could not be destroyed"));
}

TEST_F(FaultyToken, T21_a_key_that_cannot_be_read_back_does_not_stay) {
    const auto token = scripted("C_GetAttributeValue:1:rv=0x30");
    const auto key = token->generate(KeySpec::rsa_2048, key_id(5), "web");
    ASSERT_FALSE(key);
    RawToken raw;
    EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, key_id(5)).empty());
    EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, key_id(5)).empty());
}

// tpm2-pkcs11 1.9.0, once the first key of its list was destroyed: whatever is done by such a handle is done to another
// key, so that a new one that looks bad must not be destroyed by it either.
TEST_F(ShimTest, T6_T17_a_pair_whose_halves_share_a_handle_is_left_for_the_next_login) {
    const auto first = logged_in()->generate(KeySpec::ec_p256, key_id(1), "first").value().key;
    script("C_GenerateKeyPair:1:one-handle");
    const auto token = logged_in(shim_options());
    const auto made = token->generate(KeySpec::ec_p256, key_id(2), "second");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::token_login_lost) << made.error().line();
    EXPECT_THAT(made.error().line(), HasSubstr("one handle for two objects"));
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    const auto found = token->find(key_id(2));
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_TRUE(found->has_value());
    EXPECT_TRUE(token->sign((*found)->key, SignMechanism::ecdsa, digest("SHA256", "x")));
    EXPECT_TRUE(token->sign(first, SignMechanism::ecdsa, digest("SHA256", "x")));
    EXPECT_TRUE(token->find(first.id).value()) << "both halves are there";
}

class LyingToken : public FaultyToken, public ::testing::WithParamInterface<std::tuple<std::string, std::string>> {};

TEST_P(LyingToken, T21_a_key_that_could_leave_the_token_is_destroyed) {
    const auto& [attribute, kind] = GetParam();
    const auto token = scripted("C_GetAttributeValue:*:" + kind + "=" + attribute);
    const auto key = token->generate(KeySpec::rsa_2048, key_id(6), "web");
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::token_key_policy);
    EXPECT_THAT(key.error().why(), HasSubstr(attribute + (attribute == "extractable" ? "=1" : "=0")));
    EXPECT_THAT(key.error().line(), HasSubstr("the key was destroyed"));
    RawToken raw;
    EXPECT_TRUE(raw.find(CKO_PRIVATE_KEY, key_id(6)).empty());
    EXPECT_TRUE(raw.find(CKO_PUBLIC_KEY, key_id(6)).empty());
}

INSTANTIATE_TEST_SUITE_P(T21, LyingToken,
                         ::testing::Combine(::testing::Values("sensitive", "extractable", "always_sensitive",
                                                              "never_extractable", "local", "token", "private"),
                                            ::testing::Values("wrong", "absent", "unwritten")),
                         [](const auto& test) { return std::get<0>(test.param) + "_" + std::get<1>(test.param); });

// The second search: the first is settle_login()'s, which finds nothing.
TEST_F(FaultyToken, a_search_that_claims_more_than_it_was_given_room_for_is_bounded) {
    const auto token = scripted("C_FindObjects:2:size=+1000000");
    token->list_keys();  // whatever it says of 64 handles; the address sanitizer watches
    EXPECT_GE(calls("C_FindObjects"), 2);
    EXPECT_TRUE(sign(*token));
}

TEST_F(FaultyToken, a_search_without_end_is_ended) {
    const auto token = scripted("C_FindObjects:2+:size=+64");
    const auto keys = token->list_keys();
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(keys.error().line(), HasSubstr("C_FindObjects, which finds no end"));
}

// The agent's side of the connection takes no longer id either.
TEST_F(TokenTest, T19_a_foreign_key_with_a_very_long_id_is_left_out_and_breaks_nothing) {
    RawToken().generate(KeyId{Bytes(300, 9)});
    RawToken().generate(KeyId{Bytes(255, 8)});
    const auto keys = logged_in()->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    ASSERT_EQ(keys->size(), 1U);
    EXPECT_EQ(keys->front().key.id.value, Bytes(255, 8));
}

TEST_F(FaultyToken, T24_an_object_that_reappears_once_is_destroyed_again) {
    const auto token = scripted("C_DestroyObject:1-2:rv=0x0");
    EXPECT_TRUE(token->destroy(key_.id));
    EXPECT_FALSE(token->find(key_.id).value());
}

TEST_F(FaultyToken, T24_an_object_that_stays_is_an_error) {
    const auto token = scripted("C_DestroyObject:*:rv=0x0");
    const auto destroyed = token->destroy(key_.id);
    ASSERT_FALSE(destroyed);
    EXPECT_EQ(destroyed.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(destroyed.error().line(), HasSubstr("still lists key 01010101"));
}

TEST_F(ShimTest, T1_a_module_that_does_not_initialise_is_a_module_error) {
    script("C_Initialize:1:rv=0x5");
    const auto description = token_with(shim_options())->describe();
    ASSERT_FALSE(description);
    EXPECT_EQ(description.error().code(), ErrorCode::token_module);
    EXPECT_THAT(description.error().line(), HasSubstr("C_Initialize: CKR_GENERAL_ERROR (0x5)"));
}

TEST_F(ShimTest, an_unknown_return_value_is_shown_as_a_number) {
    script("C_OpenSession:1:rv=0x80000123");
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    ASSERT_TRUE(outcome.error);
    EXPECT_THAT(outcome.error->line(), HasSubstr("C_OpenSession: vendor-defined (0x80000123)"));
}

}  // namespace
}  // namespace hwenroll::keystore::test
