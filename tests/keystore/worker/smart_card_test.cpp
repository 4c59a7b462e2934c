// A smart card behind hwenroll-token and OpenSC: its keys, its PIN's counter, and what happens when it is pulled out
// (T4, T9, T11, T14; invariant 6). The card counts for itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keystore/openssl/self_test.h"
#include "keystore/worker/worker_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/required_tokens.h"
#include "tests/support/test_paths.h"
#include "tests/support/virtual_card.h"

namespace hwenroll::keystore {
namespace {

using namespace std::chrono_literals;
using test::CardReader;
using test::PivCard;
using test::PivKey;
using testing::HasSubstr;

constexpr auto right_pin = "123456";

class SmartCard : public testing::Test {
 protected:
    void SetUp() override {
        if (const auto missing = CardReader::missing()) {
            ASSERT_FALSE(test::tokens_are_required()) << *missing;
            GTEST_SKIP() << *missing;
        }
        reader_ = std::make_unique<CardReader>();
        options_.name = "card";
        options_.module = CardReader::module();
        options_.uri = "pkcs11:model=PKCS%2315%20emulated";
        options_.deadlines = {60s, 60s, 60s};
        write_pin(right_pin);
        options_.pin = "file:" + pin_path().string();
    }

    [[nodiscard]] std::filesystem::path pin_path() const { return directory_ / "pin"; }
    void write_pin(const std::string& pin) const { test::write_file(pin_path(), pin, 0600); }

    [[nodiscard]] std::unique_ptr<WorkerToken> token() const {
        return std::make_unique<WorkerToken>(WorkerProgram{test::program("hwenroll-token"), {}}, options_);
    }

    /// A card is known to the module a moment after it is in the reader.
    static void log_in(Token& token) {
        LoginOutcome outcome = try_login(token);
        for (int i = 0; i < 50 && outcome.error && outcome.error->code() == ErrorCode::token_absent; ++i) {
            outcome = try_login(token);
        }
        ASSERT_EQ(outcome.result, LoginOutcome::Result::accepted) << outcome.error->line();
    }

    /// OpenSC numbers the keys of a PIV card.
    [[nodiscard]] KeyReference key(PivKey which) const {
        const auto public_key = PublicKey::from_spki(card_.public_key(which));
        return {KeyId{{static_cast<std::uint8_t>(which == PivKey::authentication ? 1 : 2)}}, public_key.value()};
    }

    static Result<Bytes> sign(Token& token, const KeyReference& key) {
        Bytes info = *from_hex("3031300d060960864801650304020105000420");
        const Bytes digest = sha256(as_bytes("message"));
        info.insert(info.end(), digest.begin(), digest.end());
        return token.sign(key, SignMechanism::rsa_pkcs1, info);
    }

    static bool verifies(const KeyReference& key, ByteView signature) {
        const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
        const ByteView message = as_bytes("message");
        return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.public_key.get()) == 1 &&
               EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
    }

    static void expect_signature(Token& token, const KeyReference& key) {
        const auto signature = sign(token, key);
        ASSERT_TRUE(signature) << signature.error().line();
        EXPECT_TRUE(verifies(key, *signature));
    }

    /// pcscd looks for the card a few times a second; until then OpenSC knows of a failure and no more.
    static void expect_noticed_removal(WorkerToken& token, const KeyReference& key) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (token.logged_in() && std::chrono::steady_clock::now() < deadline) {
            EXPECT_FALSE(sign(token, key));
        }
        EXPECT_FALSE(token.logged_in());
    }

    test::TemporaryDirectory directory_;
    PivCard card_;
    std::unique_ptr<CardReader> reader_;
    Pkcs11Options options_;
};

TEST_F(SmartCard, has_keys_that_never_left_it) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    const auto keys = token->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    ASSERT_EQ(keys->size(), 2U);
    for (const KeyDescription& each : *keys) {
        EXPECT_TRUE(each.protection.confined()) << each.label;
        EXPECT_TRUE(each.can_sign && each.can_decrypt) << each.label;
    }
    EXPECT_EQ(keys->at(0).key.public_key, key(PivKey::authentication).public_key);
    const auto found = token->find(KeyId{{1}});
    ASSERT_TRUE(found && *found) << "by its id alone";
    EXPECT_FALSE(*token->find(KeyId{{7}}));
}

TEST_F(SmartCard, signs_and_decrypts_with_one_login) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    expect_signature(*token, key(PivKey::authentication));
    expect_signature(*token, key(PivKey::authentication));
    const Status opens = opening_self_test(*token, key(PivKey::authentication));
    EXPECT_TRUE(opens) << opens.error().line();
    EXPECT_EQ(card_.uses(PivKey::authentication), 3);
    EXPECT_EQ(card_.pins_presented(), 1);
}

TEST_F(SmartCard, T14_gets_its_pin_once_for_each_use_of_a_key_that_wants_it) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    const auto per_use = token->settle_login();
    ASSERT_TRUE(per_use) << per_use.error().line();
    EXPECT_TRUE(*per_use);
    const int before = card_.pins_presented();
    expect_signature(*token, key(PivKey::signature));
    const Status opens = opening_self_test(*token, key(PivKey::signature));
    EXPECT_TRUE(opens) << opens.error().line();
    expect_signature(*token, key(PivKey::signature));
    EXPECT_EQ(card_.uses(PivKey::signature), 3);
    EXPECT_EQ(card_.pins_presented() - before, 3);
    expect_signature(*token, key(PivKey::authentication));
    EXPECT_EQ(card_.pins_presented() - before, 3) << "the other key does not want it";
    EXPECT_EQ(card_.pins_refused(), 0);
}

TEST_F(SmartCard, T14_whose_pin_was_changed_loses_one_try_at_a_use) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    expect_signature(*token, key(PivKey::signature));
    card_.change_pin("654321");
    const auto refused = sign(*token, key(PivKey::signature));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_pin) << refused.error().line();
    EXPECT_TRUE(token->use_refused());
    EXPECT_FALSE(token->logged_in()) << "the PIN has gone with its worker";
    EXPECT_FALSE(sign(*token, key(PivKey::signature)));
    EXPECT_EQ(card_.pins_refused(), 1);
    EXPECT_EQ(card_.tries_left(), 2);
    write_pin("654321");
    log_in(*token);
    expect_signature(*token, key(PivKey::signature));
    EXPECT_FALSE(token->use_refused());
}

TEST_F(SmartCard, T9_loses_one_try_to_a_wrong_pin) {
    write_pin("000000");
    reader_->insert(card_);
    const auto token = this->token();
    LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::refused) << outcome.error->line();
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin);
    EXPECT_EQ(card_.tries_left(), 2);
    LoginHistory history;
    history.refused = outcome.source;
    outcome = try_login(*token, history);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(card_.tries_left(), 2);
}

TEST_F(SmartCard, T11_that_has_locked_its_pin_says_so_and_is_not_asked) {
    card_.lose_tries(3);
    reader_->insert(card_);
    const auto token = this->token();
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin_locked) << outcome.error->line();
    EXPECT_EQ(card_.pins_presented(), 0);
}

TEST_F(SmartCard, T4_pulled_out_in_the_middle_of_a_use_is_absent_and_comes_back_with_its_keys) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    for (const PivKey which : {PivKey::authentication, PivKey::signature}) {
        card_.leave_at_next_use();
        const auto gone = sign(*token, key(which));
        ASSERT_FALSE(gone);
        EXPECT_FALSE(reader_->occupied());
        expect_noticed_removal(*token, key(which));
        const auto missing = token->prepare_login();
        ASSERT_FALSE(missing);
        EXPECT_EQ(missing.error().code(), ErrorCode::token_absent) << missing.error().line();
        reader_->insert(card_);
        log_in(*token);
        expect_signature(*token, key(which));
    }
    EXPECT_EQ(card_.pins_refused(), 0);
}

TEST_F(SmartCard, T4_put_in_again_between_two_uses_needs_a_new_login) {
    reader_->insert(card_);
    const auto token = this->token();
    log_in(*token);
    expect_signature(*token, key(PivKey::authentication));
    reader_->remove();
    reader_->insert(card_);
    for (int i = 0; i < 3 && !sign(*token, key(PivKey::authentication)); ++i) {
        if (!token->logged_in()) {
            log_in(*token);
        }
    }
    expect_signature(*token, key(PivKey::authentication));
    EXPECT_EQ(card_.pins_refused(), 0);
}

// OpenSC 0.23.0 then waits for a mutex that it holds, if it believes in EC keys of the card: the worker is given up.
TEST_F(SmartCard, T3_T4_with_ec_keys_pulled_out_in_the_middle_of_a_use_comes_back_too) {
    PivCard card({.ec_keys = true});
    const KeyReference key{KeyId{{1}}, PublicKey::from_spki(card.public_key(PivKey::authentication)).value()};
    options_.deadlines.use = 2s;
    reader_->insert(card);
    const auto token = this->token();
    log_in(*token);
    expect_signature(*token, key);
    card.leave_at_next_use();
    EXPECT_FALSE(sign(*token, key));
    expect_noticed_removal(*token, key);
    reader_->insert(card);
    log_in(*token);
    expect_signature(*token, key);
    EXPECT_EQ(card.pins_refused(), 0);
    reader_->remove();
}

}  // namespace
}  // namespace hwenroll::keystore
