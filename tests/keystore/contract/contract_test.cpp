#include "tests/keystore/contract/contract_test.h"

#include <algorithm>

#include "tests/keystore/software_key.h"
#include "tests/support/required_tokens.h"

namespace hwenroll::keystore::test {

std::unique_ptr<TokenWorld> TokenContract::world_;
std::unique_ptr<Token> TokenContract::shared_;
std::vector<UsableKey> TokenContract::keys_;

void TokenContract::SetUp() {
    if (world_) {
        return;
    }
    if (const auto missing = GetParam().missing()) {
        ASSERT_FALSE(::hwenroll::test::tokens_are_required()) << *missing;
        GTEST_SKIP() << *missing;
    }
    world_ = GetParam().make();
}

void TokenContract::TearDownTestSuite() {
    keys_.clear();
    shared_.reset();
    world_.reset();
}

bool TokenContract::makes(KeySpec spec) {
    return std::ranges::find(abilities().makes, spec) != abilities().makes.end();
}

Token& TokenContract::token() {
    if (!shared_) {
        shared_ = world_->open();
        log_in(*shared_);
    }
    return *shared_;
}

std::unique_ptr<Token> TokenContract::open() {
    shared_.reset();
    return world_->open();
}

std::unique_ptr<Token> TokenContract::logged_in() {
    auto token = open();
    log_in(*token);
    return token;
}

void TokenContract::log_in(Token& token) {
    const LoginOutcome outcome = try_login(token);
    ASSERT_EQ(outcome.result, LoginOutcome::Result::accepted)
        << (outcome.error ? outcome.error->line() : "without error");
    const auto settled = token.settle_login();
    ASSERT_TRUE(settled) << settled.error().line();
}

const std::vector<UsableKey>& TokenContract::keys() {
    if (keys_.empty()) {
        keys_ = world_->given_keys();
        for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256}) {
            if (makes(spec)) {
                const auto made = token().generate(spec, key_id(is_ec(spec) ? 0xEC : 0x05), "shared");
                EXPECT_TRUE(made) << made.error().line();
                keys_.push_back({made.value().key, true, !is_ec(spec), is_ec(spec) && abilities().agrees});
            }
        }
    }
    return keys_;
}

const UsableKey& TokenContract::any_key() {
    return *std::ranges::find_if(keys(), &UsableKey::signs);
}

KeyReference TokenContract::make_key(Token& token, const KeyId& id) {
    const auto made = token.generate(makes(KeySpec::ec_p256) ? KeySpec::ec_p256 : KeySpec::rsa_2048, id, "made");
    EXPECT_TRUE(made) << made.error().line();
    return made.value().key;
}

void TokenContract::expect_signs(Token& token, const KeyReference& key) {
    const auto signature = sign_text(token, key, "data");
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(
        verifies(key.public_key, key.public_key.is_ec() ? digest("SHA256", "data") : digest_info("data"), *signature));
}

std::string TokenContract::name_of(ErrorCode code) {
    return std::string(error_info(code).name);
}

Result<Bytes> sign_text(Token& token, const KeyReference& key, std::string_view text) {
    return key.public_key.is_ec() ? token.sign(key, SignMechanism::ecdsa, digest("SHA256", text))
                                  : token.sign(key, SignMechanism::rsa_pkcs1, digest_info(text));
}

KeyReference with_another_public_key(const KeyReference& key) {
    KeyReference other = key;
    other.public_key = key.public_key.is_ec() ? PublicKey::of(make_software_key(curve_of(key)).get()).value()
                                              : PublicKey::from_rsa(Bytes(256, 0xA5), Bytes{1, 0, 1}).value();
    return other;
}

KeySpec curve_of(const KeyReference& key) {
    return matches(KeySpec::ec_p384, key.public_key) ? KeySpec::ec_p384 : KeySpec::ec_p256;
}

}  // namespace hwenroll::keystore::test
