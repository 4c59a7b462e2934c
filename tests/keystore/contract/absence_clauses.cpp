// What keystore/token.h says of a device that is away (T4).
#include "tests/keystore/contract/contract_test.h"

namespace hwenroll::keystore::test {

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
    if (!sign_text(*token, key, "x")) {
        log_in(*token);
    }
    expect_signs(*token, key);
    EXPECT_EQ(token->list_keys().value().size(), abilities().keeps ? keys().size() : 0);
}

}  // namespace hwenroll::keystore::test
