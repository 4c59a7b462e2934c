// The PIN rules of the design ("Keys stay on the device", invariant 6).
#include <gmock/gmock.h>

#include "keystore/login_rules.h"
#include "tests/keystore/pkcs11/token_test.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Result = LoginOutcome::Result;

constexpr auto canary = "canary9876";

/// A wrong PIN in the configured file, refused once; what the caller would have recorded.
class RefusedPin : public ShimTest {
 protected:
    RefusedPin() {
        pin_ = hsm_.pin_file(canary);
        const auto first = token_with(shim_options());
        const LoginOutcome outcome = try_login(*first);
        EXPECT_EQ(outcome.result, Result::refused);
        EXPECT_EQ(calls("C_Login"), 1);
        history_.refused = outcome.source;
    }
    LoginHistory history_;
};

TEST_F(ShimTest, T13_a_login_is_made_once_and_tells_its_source) {
    const auto token = token_with(shim_options());
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, Result::accepted);
    EXPECT_FALSE(outcome.error);
    EXPECT_EQ(outcome.source, PinSource::parse(pin_)->identity().value());
    EXPECT_EQ(token->login({}).result, Result::accepted);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, a_prepared_login_names_device_and_pin_file_and_has_tried_nothing) {
    const auto token = token_with(shim_options());
    const auto prepared = token->prepare_login();
    ASSERT_TRUE(prepared) << prepared.error().line();
    EXPECT_EQ(prepared->source, PinSource::parse(pin_)->identity().value());
    TokenDescription described = *token_with(options())->describe();
    described.mechanisms.clear();  // a login does not ask for them
    described.free_octets.reset();
    EXPECT_EQ(prepared->token, described);
    EXPECT_EQ(calls("C_Login"), 0);
}

TEST_F(ShimTest, T9_a_prepared_pin_is_used_once) {
    script("C_Login:1:rv=0x30");
    const auto token = token_with(shim_options());
    EXPECT_EQ(token->login({}).result, Result::not_tried) << "nothing was prepared";
    ASSERT_TRUE(token->prepare_login());
    EXPECT_EQ(token->login({}).result, Result::unknown);
    EXPECT_EQ(token->login({}).result, Result::not_tried);
    EXPECT_EQ(calls("C_Login"), 1);
}

// A command that takes the whole deadline would look like a hanging token.
TEST_F(ShimTest, T3_a_pin_command_that_hangs_ends_at_half_the_login_deadline) {
    const auto command = hsm_.directory() / "pin-command";
    ::hwenroll::test::write_file(command, "#!/bin/sh\nsleep 1000\n", 0700);
    Pkcs11Options hanging = shim_options();
    hanging.pin = "exec:" + command.string();
    hanging.deadlines.login = std::chrono::milliseconds(800);
    const auto prepared = token_with(hanging)->prepare_login();
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().code(), ErrorCode::token_pin_source);
    EXPECT_THAT(prepared.error().line(), HasSubstr("400 ms"));
    EXPECT_EQ(calls("C_Initialize"), 0);
}

TEST_F(ShimTest, T13_already_logged_in_is_success) {
    script("C_Login:1:rv=0x100");
    EXPECT_EQ(try_login(*token_with(shim_options())).result, Result::accepted);
}

TEST_F(ShimTest, T9_a_refused_pin_is_reported_without_showing_it) {
    pin_ = hsm_.pin_file(canary);
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    EXPECT_EQ(outcome.result, Result::refused);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin);
    EXPECT_THAT(outcome.error->line(), HasSubstr("C_Login: CKR_PIN_INCORRECT (0xa0)"));
    EXPECT_THAT(outcome.error->line(), HasSubstr("until the PIN source changes"));
    EXPECT_THAT(outcome.error->line(), Not(HasSubstr(canary)));
    EXPECT_TRUE(outcome.source);
    EXPECT_TRUE(token_with(options())->describe()->pin_count_low);
}

// Invariant 6, across restarts: another object stands for another process.
TEST_F(RefusedPin, T9_is_not_tried_again_while_its_file_stays) {
    const LoginOutcome second = try_login(*token_with(shim_options()), history_);
    EXPECT_EQ(second.result, Result::not_tried);
    EXPECT_EQ(second.error->code(), ErrorCode::token_pin);
    EXPECT_EQ(second.source, history_.refused);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(RefusedPin, T9_allows_one_more_login_when_its_file_changes) {
    pin_ = hsm_.pin_file("1234");
    const LoginOutcome second = try_login(*token_with(shim_options()), history_);
    EXPECT_EQ(second.result, Result::accepted) << second.error->line();
    EXPECT_EQ(calls("C_Login"), 2);
    EXPECT_NE(second.source, history_.refused);
}

TEST_F(RefusedPin, T10_is_not_followed_by_a_repeat_of_unknown_outcome) {
    pin_ = hsm_.pin_file("1234");
    history_.outcome_unknown = true;
    const LoginOutcome second = try_login(*token_with(shim_options()), history_);
    EXPECT_EQ(second.result, Result::not_tried);
    EXPECT_EQ(second.error->code(), ErrorCode::token_pin_low);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, T9_the_same_object_does_not_try_again_even_without_history) {
    pin_ = hsm_.pin_file(canary);
    const auto token = token_with(shim_options());
    EXPECT_EQ(try_login(*token).result, Result::refused);
    EXPECT_EQ(try_login(*token).result, Result::not_tried);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, T9_a_refused_command_pin_waits_for_resume) {
    const auto command = hsm_.directory() / "pin-command";
    ::hwenroll::test::write_file(command, "#!/bin/sh\necho canary9876\n", 0700);
    pin_ = "exec:" + command.string();
    const LoginOutcome first = try_login(*token_with(shim_options()));
    EXPECT_EQ(first.result, Result::refused) << first.error->line();
    EXPECT_FALSE(first.source);
    EXPECT_THAT(first.error->line(), HasSubstr("'hwenroll resume'"));
    LoginHistory history;
    history.refused_unidentified = true;
    const LoginOutcome second = try_login(*token_with(shim_options()), history);
    EXPECT_EQ(second.result, Result::not_tried);
    EXPECT_EQ(second.error->code(), ErrorCode::token_pin);
    EXPECT_THAT(second.error->line(), HasSubstr("'hwenroll resume'"));
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, an_unknown_outcome_allows_one_repeat_when_tries_are_not_low) {
    LoginHistory history;
    history.outcome_unknown = true;
    EXPECT_EQ(try_login(*token_with(shim_options()), history).result, Result::accepted);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, P9_a_credential_that_could_not_be_unsealed_costs_no_call_and_is_used_once_it_is_there) {
    const EnvironmentVariable directory("CREDENTIALS_DIRECTORY", hsm_.directory().path().string());
    std::filesystem::rename(hsm_.directory() / "pin", hsm_.directory() / "sealed");
    pin_ = "credential:pin";
    const auto token = token_with(shim_options());
    const LoginOutcome without = try_login(*token);
    EXPECT_EQ(without.result, Result::not_tried);
    EXPECT_EQ(without.error->code(), ErrorCode::token_pin_source) << without.error->line();
    EXPECT_THAT(without.error->line(), HasSubstr("systemd-creds encrypt --with-key=tpm2 --tpm2-pcrs=23 --name=pin "));
    EXPECT_EQ(calls("C_Initialize"), 0);
    std::filesystem::rename(hsm_.directory() / "sealed", hsm_.directory() / "pin");
    EXPECT_EQ(try_login(*token).result, Result::accepted);
}

TEST_F(ShimTest, an_unreadable_pin_file_is_found_out_before_the_module_is_loaded) {
    pin_ = "file:" + (hsm_.directory() / "absent").string();
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    EXPECT_EQ(outcome.result, Result::not_tried);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin_source);
    EXPECT_EQ(calls("C_Initialize"), 0);
}

TEST_F(ShimTest, a_token_that_needs_a_login_needs_a_pin) {
    pin_.clear();
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    EXPECT_EQ(outcome.result, Result::not_tried);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin_source);
    EXPECT_EQ(calls("C_Login"), 0);
}

struct LoginFailure {
    const char* rule;
    Result result;
    ErrorCode code;
};

void PrintTo(const LoginFailure& failure, std::ostream* out) {
    *out << failure.rule;
}

/// What C_Login answers decides whether a PIN try may have been used (invariant 6).
class FailingLogin : public ShimTest, public ::testing::WithParamInterface<LoginFailure> {};

TEST_P(FailingLogin, is_untried_only_if_the_token_cannot_have_looked_at_the_pin) {
    script(GetParam().rule);
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    EXPECT_EQ(outcome.result, GetParam().result);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), GetParam().code);
    EXPECT_EQ(calls("C_Login"), 1);
}

INSTANTIATE_TEST_SUITE_P(
    T11_T12, FailingLogin,
    ::testing::Values(LoginFailure{"C_Login:1:rv=0xa4", Result::refused, ErrorCode::token_pin_locked},
                      LoginFailure{"C_Login:1:rv=0xa3", Result::refused, ErrorCode::token_pin},
                      LoginFailure{"C_Login:1:rv=0xa1", Result::refused, ErrorCode::token_pin},
                      LoginFailure{"C_Login:1:rv=0xa2", Result::refused, ErrorCode::token_pin},
                      LoginFailure{"C_Login:1:rv=0x5", Result::unknown, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x6", Result::unknown, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x30", Result::unknown, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x31", Result::unknown, ErrorCode::token_full},
                      LoginFailure{"C_Login:1:rv=0x32", Result::unknown, ErrorCode::token_absent},
                      LoginFailure{"C_Login:1:rv=0xb0", Result::unknown, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0xe0", Result::unknown, ErrorCode::token_absent},
                      LoginFailure{"C_Login:1:rv=0x80000001", Result::unknown, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x7", Result::not_tried, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0xb3", Result::not_tried, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x102", Result::not_tried, ErrorCode::token_operation},
                      LoginFailure{"C_Login:1:rv=0x190", Result::not_tried, ErrorCode::token_login_lost}),
    [](const auto& test) { return "rv_" + std::string(test.param.rule).substr(15); });

struct FlagLie {
    const char* lie;
    ErrorCode code;
};

void PrintTo(const FlagLie& flag, std::ostream* out) {
    *out << flag.lie;
}

class TokenFlags : public ShimTest, public ::testing::WithParamInterface<FlagLie> {};

// T10, T11: whatever the PIN.
TEST_P(TokenFlags, forbid_a_login) {
    script(std::string("C_GetTokenInfo:*:flag=") + GetParam().lie);
    const LoginOutcome outcome = try_login(*token_with(shim_options()));
    EXPECT_EQ(outcome.result, Result::not_tried);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), GetParam().code);
    LoginHistory refused;
    refused.refused = PinSource::parse(pin_)->identity().value();
    EXPECT_EQ(try_login(*token_with(shim_options()), refused).error->code(), GetParam().code)
        << "worse than a refused PIN";
    EXPECT_EQ(calls("C_Login"), 0);
}

INSTANTIATE_TEST_SUITE_P(T10_T11, TokenFlags,
                         ::testing::Values(FlagLie{"final_try", ErrorCode::token_pin_low},
                                           FlagLie{"locked", ErrorCode::token_pin_locked}),
                         [](const auto& test) { return std::string(test.param.lie); });

TEST_F(ShimTest, T10_low_tries_forbid_the_repeat_of_a_login_of_unknown_outcome) {
    script("C_GetTokenInfo:*:flag=count_low");
    EXPECT_EQ(try_login(*token_with(shim_options())).result, Result::accepted) << "low tries alone do not";
    LoginHistory crashed;
    crashed.outcome_unknown = true;
    const LoginOutcome repeated = try_login(*token_with(shim_options()), crashed);
    EXPECT_EQ(repeated.result, Result::not_tried);
    EXPECT_EQ(repeated.error->code(), ErrorCode::token_pin_low);
    EXPECT_EQ(calls("C_Login"), 1);
}

TEST_F(ShimTest, T14_a_token_that_takes_its_PIN_from_its_own_keypad_is_named) {
    script("C_GetTokenInfo:*:flag=keypad");
    Pkcs11Options without_pin = shim_options();
    without_pin.pin.clear();
    const auto prepared = token_with(without_pin)->prepare_login();
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().code(), ErrorCode::token_keypad);
    EXPECT_THAT(prepared.error().line(), testing::HasSubstr("CKF_PROTECTED_AUTHENTICATION_PATH"));
}

TEST(LoginRules, T10_low_tries_alone_do_not_forbid_a_login) {
    TokenDescription token;
    token.pin_count_low = true;
    EXPECT_FALSE(forbidden_by_flags("lab", token, {}));
    LoginHistory crashed;
    crashed.outcome_unknown = true;
    EXPECT_TRUE(forbidden_by_flags("lab", token, crashed));
}

TEST(LoginRules, a_refusal_binds_the_file_it_came_from_to_every_detail) {
    PinSourceIdentity file{1, 2, 5, 100, 100};
    LoginHistory history;
    history.refused = file;
    EXPECT_TRUE(forbidden_by_refusal("lab", file, history));
    for (auto field : {&PinSourceIdentity::device, &PinSourceIdentity::inode, &PinSourceIdentity::size}) {
        PinSourceIdentity changed = file;
        ++(changed.*field);
        EXPECT_FALSE(forbidden_by_refusal("lab", changed, history));
    }
    for (auto field : {&PinSourceIdentity::modified_ns, &PinSourceIdentity::changed_ns}) {
        PinSourceIdentity changed = file;
        ++(changed.*field);
        EXPECT_FALSE(forbidden_by_refusal("lab", changed, history));
    }
}

}  // namespace
}  // namespace hwenroll::keystore::test
