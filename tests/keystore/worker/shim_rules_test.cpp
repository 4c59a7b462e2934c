// The rules by which the fault shim breaks calls.
#include <gtest/gtest.h>

#include "tests/support/pkcs11_shim/rules.h"

namespace hwenroll::pkcs11_shim {
namespace {

TEST(ShimRules, name_function_calls_and_action) {
    const auto rules =
        parse_rules("C_Sign:2:crash,C_Login:3+:rv=0xA4,C_Decrypt:2-4:hang,C_Finalize:*:crash,C_Sign:4:logout");
    ASSERT_TRUE(rules);
    ASSERT_EQ(rules->size(), 5U);
    EXPECT_FALSE(find_action(*rules, Function::C_Sign, 1));
    EXPECT_EQ(find_action(*rules, Function::C_Sign, 2)->kind, Action::Kind::crash);
    EXPECT_FALSE(find_action(*rules, Function::C_Sign, 3));
    EXPECT_EQ(find_action(*rules, Function::C_Sign, 4)->kind, Action::Kind::logout);
    EXPECT_FALSE(find_action(*rules, Function::C_Login, 2));
    EXPECT_EQ(find_action(*rules, Function::C_Login, 1000)->value, CKR_PIN_LOCKED);
    EXPECT_EQ(find_action(*rules, Function::C_Decrypt, 4)->kind, Action::Kind::hang);
    EXPECT_FALSE(find_action(*rules, Function::C_Decrypt, 5));
    EXPECT_TRUE(find_action(*rules, Function::C_Finalize, 1));
    EXPECT_FALSE(find_action(*rules, Function::C_Initialize, 1));
}

TEST(ShimRules, that_make_no_sense_are_not_taken_for_none) {
    EXPECT_TRUE(parse_rules("")->empty());
    for (const auto* text : {"C_Sing:1:crash", "C_Sign", "C_Sign:1", "C_Sign::crash", "C_Sign:0:crash",
                             "C_Sign:1:", "C_Sign:1:explode", "C_Sign:1:rv=7", "C_Sign:1:rv=0x", "C_Sign:4-2:hang",
                             "C_Sign:x:hang", "C_Sign:1:crash,,C_Sign:2:crash", "C_Sign:1:crash:more"}) {
        EXPECT_FALSE(parse_rules(text)) << text;
    }
}

TEST(ShimRules, know_every_function_of_version_2_40) {
    // PKCS#11 v2.40 has 68 functions; C_GetFunctionList is the shim's own.
    EXPECT_EQ(function_count, 67U);
}

}  // namespace
}  // namespace hwenroll::pkcs11_shim
