// The worker's own reading of a token's URI: what the configuration's rules let through is still judged here.
#include "keystore/pkcs11/token_uri.h"

#include <gtest/gtest.h>

namespace hwenroll::keystore::pkcs11 {
namespace {

TEST(WorkerTokenUri, H16_refuses_every_query_also_one_with_a_misspelt_pin) {
    ASSERT_TRUE(TokenUri::parse("pkcs11:token=lab"));
    for (const char* query : {"?ppin-value=hunter2", "?x=hunter2", "?", "?pin-value=hunter2", "?module-name=hunter2"}) {
        const auto uri = TokenUri::parse(std::string("pkcs11:token=lab") + query);
        ASSERT_FALSE(uri) << query;
        EXPECT_EQ(uri.error().code(), ErrorCode::config_value);
        EXPECT_EQ(uri.error().line().find("hunter2"), std::string::npos) << uri.error().line();
    }
}

TEST(WorkerTokenUri, takes_an_escaped_question_mark_for_text) {
    EXPECT_TRUE(TokenUri::parse("pkcs11:token=lab%3Fx"));
}

}  // namespace
}  // namespace hwenroll::keystore::pkcs11
