// keystore/token.h as tests, one for each clause, for every kind of token. A world of tokens and the keys in it serve
// all tests of an instance, since both are slow to make, so that ctest runs an instance as one test.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/keystore/contract/token_world.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/try_login.h"

namespace hwenroll::keystore::test {

/// Instantiated by each world's file.
class TokenContract : public ::testing::TestWithParam<WorldPlan> {
 protected:
    /// Makes the world with the first test. Skips where the machine lacks something, unless no token may be missing.
    void SetUp() override;
    static void TearDownTestSuite();

    [[nodiscard]] static TokenWorld& world() { return *world_; }
    [[nodiscard]] static const Abilities& abilities() { return world_->abilities(); }
    [[nodiscard]] static bool makes(KeySpec spec);

    /// A program that all tests share, logged in: for those that are about keys.
    static Token& token();

    /// Another program, not logged in. The shared one has ended.
    static std::unique_ptr<Token> open();

    /// The same, logged in.
    static std::unique_ptr<Token> logged_in();

    static void log_in(Token& token);

    /// One of each kind that the token is used with: made with the first call, or those that are on it anyway.
    static const std::vector<UsableKey>& keys();

    /// The first of keys() that signs, for tests that need any.
    static const UsableKey& any_key();

    /// Makes a key of the kind that is made quickest; the test fails when that fails.
    static KeyReference make_key(Token& token, const KeyId& id);

    /// Signs by the key's kind and checks the signature in software.
    static void expect_signs(Token& token, const KeyReference& key);

    /// The outcome is an error of this code.
    template <class T>
    static void expect_refused(const T& outcome, ErrorCode code) {
        ASSERT_FALSE(outcome) << "expected " << name_of(code);
        EXPECT_EQ(name_of(outcome.error().code()), name_of(code)) << outcome.error().line();
    }

 private:
    static std::string name_of(ErrorCode code);

    static std::unique_ptr<TokenWorld> world_;
    static std::unique_ptr<Token> shared_;
    static std::vector<UsableKey> keys_;
};

/// What signs with `key` does over the SHA-256 value of `text`.
Result<Bytes> sign_text(Token& token, const KeyReference& key, std::string_view text);

/// A public key that no token has, on the same curve or of the same size.
KeyReference with_another_public_key(const KeyReference& key);

/// The kind of an EC key; P-256 for an RSA key.
KeySpec curve_of(const KeyReference& key);

}  // namespace hwenroll::keystore::test
