// What keystore/token.h says of a device that is away (T4).
#include "tests/keystore/contract/contract_test.h"

namespace hwenroll::keystore::test {

namespace {

/// Only a new login helps.
bool ended_the_login(const Error& error) {
    return error.code() != ErrorCode::token_operation || error.line().find("not logged in") != std::string::npos;
}

}  // namespace

TEST_P(TokenContract, T4_a_token_that_is_away_says_so_and_serves_when_it_is_back) {
    const KeyReference key = any_key().key;
    const auto token = open();
    world().take_away();
    expect_refused(token->describe(), abilities().absence);
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), abilities().absence) << outcome.error->line();
    world().bring_back();
    log_in(*token);
    expect_signs(*token, key);
}

TEST_P(TokenContract, T4_a_login_that_the_device_took_along_is_made_again_when_it_is_back) {
    const KeyReference key = any_key().key;
    const auto token = logged_in();
    expect_signs(*token, key);
    world().take_away();
    EXPECT_FALSE(sign_text(*token, key, "x"));
    world().bring_back();
    // Two that fail at most, as from a caller who logs in when the token says that it must.
    auto signature = sign_text(*token, key, "x");
    for (int tries = 0; tries < 2 && !signature; ++tries) {
        if (ended_the_login(signature.error())) {
            log_in(*token);
        }
        signature = sign_text(*token, key, "x");
    }
    EXPECT_TRUE(signature) << signature.error().line();
    expect_signs(*token, key);
    EXPECT_EQ(token->list_keys().value().size(), abilities().keeps ? keys().size() : 0);
}

}  // namespace hwenroll::keystore::test
