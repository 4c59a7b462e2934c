// Whether a token is the one that it was before (T22).
#include "agent/runtime/exchanged_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

using store::LoginRecordOutcome;
using testing::HasSubstr;

store::LoginRecord login(const std::string& device, LoginRecordOutcome outcome = LoginRecordOutcome::accepted) {
    store::LoginRecord record;
    record.outcome = outcome;
    record.token_uri = device;
    return record;
}

std::optional<Error> judge(const std::vector<store::LoginRecord>& records, const std::string& present,
                           const std::string& wanted = "pkcs11:token=my%20lab") {
    config::TokenSettings settings;
    settings.name = "lab";
    settings.uri = wanted;
    keystore::TokenDescription token;
    token.uri = present;
    return exchanged_token(settings, records, token);
}

const std::string first = "pkcs11:model=M;manufacturer=x;serial=0A;token=my%20lab";
const std::string second = "pkcs11:model=M;manufacturer=x;serial=0B;token=my%20lab";

TEST(ExchangedToken, T22_is_named_beside_the_one_before) {
    const auto error = judge({login(first)}, second);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::token_exchanged);
    EXPECT_THAT(error->line(), HasSubstr("serial '0B' (M) in place of serial '0A' (M)"));
    EXPECT_TRUE(judge({login(first)}, "pkcs11:model=N;manufacturer=x;serial=0A;token=my%20lab")) << "another model";
}

TEST(ExchangedToken, T22_is_not_one_that_was_used_before_or_comes_first) {
    EXPECT_FALSE(judge({}, first));
    EXPECT_FALSE(judge({login(first)}, first));
    EXPECT_FALSE(judge({login(first), login(second)}, first));
    EXPECT_FALSE(judge({login(first, LoginRecordOutcome::refused)}, second)) << "no login was accepted there";
}

// A PIV card's label is the name in a certificate on it.
TEST(ExchangedToken, T22_is_no_token_whose_label_alone_has_changed) {
    EXPECT_FALSE(judge({login(first)}, "pkcs11:model=M;manufacturer=x;serial=0A;token=other", "pkcs11:model=M"));
}

TEST(ExchangedToken, T22_is_none_that_the_configuration_asks_for) {
    EXPECT_FALSE(judge({login(first)}, second, "pkcs11:serial=0B"));
    EXPECT_FALSE(judge({login("pkcs11:model=M;serial=0A;token=old")}, second)) << "'uri' names another label now";
}

}  // namespace
}  // namespace hwenroll::runtime
