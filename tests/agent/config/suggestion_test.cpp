#include "agent/config/suggestion.h"

#include <gtest/gtest.h>

namespace hwenroll::config {
namespace {

TEST(Suggestion, finds_the_nearest_known_word_or_none) {
    const std::vector<std::string> known{"subject", "key_usage", "key"};
    EXPECT_EQ(nearest("subjct", known), "subject");
    EXPECT_EQ(nearest("keyusage", known), "key_usage");
    EXPECT_EQ(nearest("kex", known), "key");
    EXPECT_EQ(nearest("fingerprint", known), "");
    EXPECT_EQ(nearest("", known), "");
    EXPECT_EQ(nearest(std::string(100'000, 'k'), known), "");
}

}  // namespace
}  // namespace hwenroll::config
