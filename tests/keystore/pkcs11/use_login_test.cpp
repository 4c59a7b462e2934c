// Keys that want a login of their own for each use (CKA_ALWAYS_AUTHENTICATE, T14), on SoftHSM2, which insists on it.
#include <filesystem>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "keystore/login_under_way.h"
#include "keystore/openssl/self_test.h"
#include "keystore/pkcs11/key_object.h"
#include "tests/keystore/pkcs11/token_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;

class UseLogin : public ShimTest {
 protected:
    UseLogin() : key_(make_key()) {}

    static KeyReference make_key() {
        RawToken raw;
        const KeyId id = key_id(1);
        pkcs11::Attributes half = pkcs11::private_half_template(KeySpec::rsa_2048, id, "careful");
        half.put_flag(CKA_ALWAYS_AUTHENTICATE, true);
        raw.session()
            .generate(pkcs11::generation_mechanism(KeySpec::rsa_2048),
                      pkcs11::public_half_template(KeySpec::rsa_2048, id, "careful"), std::move(half))
            .value();
        const auto read = pkcs11::read_key(raw.session(), CK_TOKEN_INFO{}, raw.find(CKO_PRIVATE_KEY, id).front());
        return read.value().value().key;
    }

    std::unique_ptr<Pkcs11Token> scripted(const std::string& rules) {
        script(rules);
        return logged_in(shim_options());
    }

    [[nodiscard]] std::string token_file() const {
        const std::filesystem::directory_iterator token(hsm_.token_directory());
        return ::hwenroll::test::read_file(token->path() / "token.object");
    }

    Result<Bytes> sign(Pkcs11Token& token) const {
        return token.sign(key_, SignMechanism::rsa_pkcs1, digest_info("data"));
    }

    KeyReference key_;
};

TEST_F(UseLogin, T14_is_made_once_for_each_signature_and_each_decryption) {
    const auto token = scripted("");
    EXPECT_TRUE(token->settle_login().value());
    const auto signature = sign(*token);
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key_.public_key, digest_info("data"), *signature));
    const Status opens = opening_self_test(*token, key_);
    EXPECT_TRUE(opens) << opens.error().line();
    EXPECT_EQ(calls("C_Login"), 3);
}

// It writes the token's file as any login does. In a process of its own: there is none after end_logins().
TEST_F(UseLogin, T2_T14_is_waited_for_by_a_process_that_ends) {
    const pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) {
        const auto token = scripted("C_Login:2:delay=300");
        const std::string before = token_file();
        std::thread([&] { static_cast<void>(sign(*token)); }).detach();
        while (calls("C_Login") < 2) {
            std::this_thread::yield();
        }
        end_logins(std::chrono::seconds(20));
        _exit(token_file() != before ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(process, &status, 0), process);
    EXPECT_EQ(status, 0) << "the login was cut off";
}

TEST_F(UseLogin, T14_is_not_made_where_no_key_wants_it) {
    RawToken().destroy(CKO_PRIVATE_KEY, key_.id);
    const auto token = scripted("");
    EXPECT_FALSE(token->settle_login().value());
    const KeyReference plain = token->generate(KeySpec::rsa_2048, key_id(2), "plain").value().key;
    EXPECT_TRUE(token->sign(plain, SignMechanism::rsa_pkcs1, digest_info("data")));
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(UseLogin, T14_that_is_refused_is_the_last_with_this_pin) {
    const auto token = scripted("C_Login:2:rv=0xa0");
    const auto refused = sign(*token);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_pin) << refused.error().line();
    EXPECT_FALSE(sign(*token));
    EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(UseLogin, T14_of_unknown_outcome_is_not_repeated) {
    for (const auto* const rv : {"0x5", "0x6", "0x30", "0xb3"}) {
        const int before = calls("C_Login");
        const auto token = scripted(std::string("C_Login:2:rv=") + rv);
        const auto failed = sign(*token);
        ASSERT_FALSE(failed) << rv;
        EXPECT_EQ(failed.error().code(), ErrorCode::token_login_lost) << failed.error().line();
        EXPECT_FALSE(sign(*token)) << rv;
        EXPECT_EQ(calls("C_Login"), before + 2) << rv;
    }
}

// The flag appears after the login, as when somebody else has spent the tries.
TEST_F(UseLogin, T14_T10_is_not_made_with_the_last_try) {
    ASSERT_TRUE(sign(*scripted("")));
    const std::string next = std::to_string(calls("C_GetTokenInfo") + 1);
    const auto token = scripted("C_GetTokenInfo:" + next + "+:flag=final_try");
    ASSERT_TRUE(sign(*token));
    const auto refused = sign(*token);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_pin_low) << refused.error().line();
}

using OpeningTest = UseLogin;

// T20: the key may not, or the token has no such mechanism.
TEST_F(OpeningTest, T20_TOK_4_says_which_answer_the_token_gave) {
    for (const auto& [rv, name] :
         {std::pair{"0x68", "CKR_KEY_FUNCTION_NOT_PERMITTED"}, std::pair{"0x70", "CKR_MECHANISM_INVALID"}}) {
        const auto token = scripted(std::string("C_DecryptInit:*:rv=") + rv);
        const Status opens = opening_self_test(*token, key_);
        ASSERT_FALSE(opens);
        EXPECT_EQ(opens.error().code(), ErrorCode::token_self_test);
        EXPECT_THAT(opens.error().line(), HasSubstr("cannot decrypt"));
        EXPECT_THAT(opens.error().line(), HasSubstr(name));
    }
}

}  // namespace
}  // namespace hwenroll::keystore::test
