// The rules by which the fault shim breaks calls.
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/pkcs11_shim/rules.h"

namespace hwenroll::pkcs11_shim {
namespace {

TEST(ShimRules, name_function_calls_and_action) {
    const auto rules =
        parse_rules("C_Sign:2:crash,C_Login:3+:rv=0xA4,C_Decrypt:2-4:hang,C_Finalize:*:crash,C_Sign:4:logout");
    ASSERT_TRUE(rules);
    ASSERT_EQ(rules->size(), 5U);
    const auto found = [&](Function function, unsigned long number) {
        const auto actions = find_actions(*rules, function, number, 10 * number);
        EXPECT_LE(actions.size(), 1U);
        return actions.empty() ? std::nullopt : std::optional(actions.front());
    };
    EXPECT_FALSE(found(Function::C_Sign, 1));
    EXPECT_EQ(found(Function::C_Sign, 2)->kind, Action::Kind::crash);
    EXPECT_FALSE(found(Function::C_Sign, 3));
    EXPECT_EQ(found(Function::C_Sign, 4)->kind, Action::Kind::logout);
    EXPECT_FALSE(found(Function::C_Login, 2));
    EXPECT_EQ(found(Function::C_Login, 1000)->value, CKR_PIN_LOCKED);
    EXPECT_EQ(found(Function::C_Decrypt, 4)->kind, Action::Kind::hang);
    EXPECT_FALSE(found(Function::C_Decrypt, 5));
    EXPECT_TRUE(found(Function::C_Finalize, 1));
    EXPECT_FALSE(found(Function::C_Initialize, 1));
}

TEST(ShimRules, count_the_calls_of_all_functions_together_under_a_star) {
    const auto rules = parse_rules("C_Sign:1:hang,*:17:crash");
    ASSERT_TRUE(rules);
    const auto both = find_actions(*rules, Function::C_Sign, 1, 17);
    ASSERT_EQ(both.size(), 2U) << "all that fit";
    EXPECT_EQ(both[0].kind, Action::Kind::hang);
    EXPECT_EQ(both[1].kind, Action::Kind::crash);
    EXPECT_EQ(find_actions(*rules, Function::C_Login, 1, 17).size(), 1U);
    EXPECT_TRUE(find_actions(*rules, Function::C_Login, 17, 18).empty());
}

TEST(ShimRules, know_each_action_with_what_it_takes) {
    struct Case {
        const char* text;
        Action::Kind kind;
        unsigned long value;
        long by;
    };
    for (const Case& each :
         {Case{"delay=250", Action::Kind::delay, 250, 0}, Case{"close", Action::Kind::close, 0, 0},
          Case{"stale", Action::Kind::stale, 0, 0}, Case{"swap", Action::Kind::swap, 0, 0},
          Case{"one-handle", Action::Kind::one_handle, 0, 0}, Case{"size=-1", Action::Kind::resize, 0, -1},
          Case{"size=+1000000", Action::Kind::resize, 0, 1'000'000}, Case{"small", Action::Kind::too_small, 0, 0},
          Case{"wrong=sensitive", Action::Kind::wrong, CKA_SENSITIVE, 0},
          Case{"absent=modulus", Action::Kind::absent, CKA_MODULUS, 0},
          Case{"unwritten=local", Action::Kind::unwritten, CKA_LOCAL, 0},
          Case{"bare=ec_point", Action::Kind::bare, CKA_EC_POINT, 0},
          Case{"flag=final_try", Action::Kind::flag, CKF_USER_PIN_FINAL_TRY, 0}}) {
        const auto rules = parse_rules(std::string("*:1:") + each.text);
        ASSERT_TRUE(rules) << each.text;
        EXPECT_EQ(rules->front().action.kind, each.kind) << each.text;
        EXPECT_EQ(rules->front().action.value, each.value) << each.text;
        EXPECT_EQ(rules->front().action.by, each.by) << each.text;
    }
}

TEST(ShimRules, may_stand_in_a_file_with_comments) {
    const auto rules = parse_rule_file("# first\nC_Sign:1:crash\n\nC_Login:1:hang,C_Login:2:crash");
    ASSERT_TRUE(rules);
    EXPECT_EQ(rules->size(), 3U);
    EXPECT_FALSE(parse_rule_file("C_Sign:1:crash\nC_Sing:1:crash\n"));
}

TEST(ShimRules, that_make_no_sense_are_not_taken_for_none) {
    EXPECT_TRUE(parse_rules("")->empty());
    for (const auto* text : {"C_Sing:1:crash",      "C_Sign",          "C_Sign:1",
                             "C_Sign::crash",       "C_Sign:0:crash",  "C_Sign:1:",
                             "C_Sign:1:explode",    "C_Sign:1:rv=7",   "C_Sign:1:rv=0x",
                             "C_Sign:4-2:hang",     "C_Sign:x:hang",   "C_Sign:1:crash,,C_Sign:2:crash",
                             "C_Sign:1:crash:more", "**:1:crash",      "C_Sign:1:crash=1",
                             "C_Sign:1:delay",      "C_Sign:1:delay=", "C_Sign:1:delay=-1",
                             "C_Sign:1:size=1",     "C_Sign:1:size=-", "C_Sign:1:wrong=colour",
                             "C_Sign:1:flag=red",   "C_Sign:1:wrong"}) {
        EXPECT_FALSE(parse_rules(text)) << text;
    }
}

TEST(ShimRules, know_every_function_of_version_2_40) {
    // PKCS#11 v2.40 has 68 functions; C_GetFunctionList is the shim's own.
    EXPECT_EQ(function_count, 67U);
}

}  // namespace
}  // namespace hwenroll::pkcs11_shim
