// What keystore/token.h says of a login.
#include "tests/keystore/contract/contract_test.h"

namespace hwenroll::keystore::test {

using Judged = Abilities::Judged;
using Outcome = LoginOutcome::Result;

TEST_P(TokenContract, describes_itself_without_a_login) {
    const auto token = open();
    const auto description = token->describe();
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_NE(description->label, "");
    EXPECT_NE(description->manufacturer, "");
    EXPECT_NE(description->model, "");
    EXPECT_NE(description->serial, "");
    EXPECT_NE(description->uri, "");
    EXPECT_TRUE(description->initialized);
    EXPECT_EQ(description->login_required, abilities().pin == Judged::at_login);
    EXPECT_FALSE(description->pin_count_low);
    EXPECT_FALSE(description->pin_final_try);
    EXPECT_FALSE(description->pin_locked);
    log_in(*token);
    EXPECT_EQ(token->describe().value(), *description);
}

TEST_P(TokenContract, refuses_whatever_needs_a_login_without_one) {
    const KeyReference key = any_key().key;
    const auto token = open();
    expect_refused(token->list_keys(), ErrorCode::token_operation);
    expect_refused(token->generate(KeySpec::rsa_2048, key_id(1), "x"), ErrorCode::token_operation);
    expect_refused(token->find(key.id), ErrorCode::token_operation);
    expect_refused(token->look_up(key), ErrorCode::token_operation);
    expect_refused(sign_text(*token, key, "x"), ErrorCode::token_operation);
    expect_refused(token->decrypt(key, DecryptMechanism::rsa_pkcs1, Bytes(256, 1)), ErrorCode::token_operation);
    expect_refused(token->agree(key, key.public_key), ErrorCode::token_operation);
    expect_refused(token->destroy(key_id(1)), ErrorCode::token_operation);
}

TEST_P(TokenContract, logs_in_only_with_what_was_prepared_and_once) {
    const auto token = open();
    LoginOutcome outcome = token->login({});
    EXPECT_EQ(outcome.result, Outcome::not_tried);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_operation) << outcome.error->line();

    const auto prepared = token->prepare_login();
    ASSERT_TRUE(prepared) << prepared.error().line();
    EXPECT_EQ(prepared->source.has_value(), abilities().pin != Judged::never);
    TokenDescription described = token->describe().value();
    described.mechanisms.clear();  // which describe() alone asks for, as it does for the space
    described.free_octets.reset();
    EXPECT_EQ(prepared->token, described);
    expect_refused(token->list_keys(), ErrorCode::token_operation);
    outcome = token->login({});
    EXPECT_EQ(outcome.result, Outcome::accepted) << outcome.error->line();
    EXPECT_FALSE(outcome.error);
    EXPECT_EQ(outcome.source, prepared->source);
    EXPECT_TRUE(token->list_keys());

    outcome = token->login({});
    EXPECT_EQ(outcome.result, Outcome::accepted) << "already logged in";
    EXPECT_FALSE(outcome.error);
}

TEST_P(TokenContract, a_preparation_ends_the_login_and_the_preparation_before) {
    const auto token = logged_in();
    ASSERT_TRUE(token->prepare_login());
    const auto listed = token->list_keys();
    expect_refused(listed, ErrorCode::token_operation);
    const auto again = token->prepare_login();
    ASSERT_TRUE(again) << again.error().line();
    EXPECT_EQ(token->login({}).result, Outcome::accepted);
    EXPECT_TRUE(token->list_keys());
}

TEST_P(TokenContract, T14_tells_after_the_login_whether_a_key_wants_one_for_each_use) {
    const auto token = logged_in();
    for (int times = 0; times < 2; ++times) {
        const auto settled = token->settle_login();
        ASSERT_TRUE(settled) << settled.error().line();
        EXPECT_EQ(*settled, abilities().asks_at_use);
    }
    expect_signs(*token, any_key().key);
}

TEST_P(TokenContract, key_operations_settle_a_login_by_themselves) {
    const KeyReference key = any_key().key;
    const auto token = open();
    ASSERT_EQ(try_login(*token).result, Outcome::accepted);
    expect_signs(*token, key);
}

namespace {

/// The refusal of a wrong PIN is the end of that file's contents.
void expect_refused_once(Token& token, TokenWorld& world) {
    const auto before = world.refusals();
    const LoginOutcome refused = try_login(token);
    EXPECT_EQ(refused.result, Outcome::refused);
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->code(), ErrorCode::token_pin) << refused.error->line();
    ASSERT_TRUE(refused.source);
    EXPECT_FALSE(token.list_keys());

    LoginHistory history;
    history.refused = refused.source;
    for (int times = 0; times < 2; ++times) {
        const LoginOutcome again = try_login(token, history);
        EXPECT_EQ(again.result, Outcome::not_tried);
        ASSERT_TRUE(again.error);
        EXPECT_EQ(again.error->code(), ErrorCode::token_pin) << again.error->line();
        EXPECT_EQ(again.source, refused.source);
    }
    if (before) {
        EXPECT_EQ(*world.refusals() - *before, 1);
    }
    world.give_right_pin();
    const LoginOutcome accepted = try_login(token, history);
    EXPECT_EQ(accepted.result, Outcome::accepted) << accepted.error->line();
}

/// The same where no login judges the value but the use of a key.
void expect_refused_at_first_use(Token& token, TokenWorld& world, const KeyReference& key) {
    const auto before = world.refusals();
    ASSERT_EQ(try_login(token).result, Outcome::accepted);
    const auto refused = sign_text(token, key, "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_pin) << refused.error().line();
    EXPECT_FALSE(sign_text(token, key, "x"));
    EXPECT_FALSE(sign_text(token, key, "x"));
    if (before) {
        EXPECT_LE(*world.refusals() - *before, 1);
    }
    world.give_right_pin();
    EXPECT_FALSE(sign_text(token, key, "x")) << "only a new login helps";
    ASSERT_EQ(try_login(token).result, Outcome::accepted);
}

}  // namespace

TEST_P(TokenContract, T9_invariant_6_gives_a_wrong_pin_to_the_token_once_until_its_file_changes) {
    const KeyReference key = any_key().key;
    const auto token = open();
    world().give_wrong_pin();
    switch (abilities().pin) {
        case Judged::at_login:
            expect_refused_once(*token, world());
            break;
        case Judged::at_use:
            expect_refused_at_first_use(*token, world(), key);
            break;
        case Judged::never:
            EXPECT_FALSE(try_login(*token).source) << "no PIN is read";
            world().give_right_pin();
            break;
    }
    expect_signs(*token, key);
}

TEST_P(TokenContract, a_pin_that_was_refused_from_an_unknown_source_is_not_tried) {
    const auto token = open();
    LoginHistory history;
    history.refused_unidentified = true;
    const LoginOutcome outcome = try_login(*token, history);
    EXPECT_EQ(outcome.result, Outcome::not_tried);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin) << outcome.error->line();
}

}  // namespace hwenroll::keystore::test
