#include "agent/lifecycle/rare.h"

#include <string>

#include <gtest/gtest.h>

namespace hwenroll::lifecycle {
namespace {

TEST(Rare, is_empty_until_it_is_given_something) {
    Rare<std::string> rare;
    EXPECT_FALSE(rare);
    rare = std::string("here");
    ASSERT_TRUE(rare.has_value());
    EXPECT_EQ(*rare, "here");
    EXPECT_EQ(rare->size(), 4U);
    rare = std::nullopt;
    EXPECT_FALSE(rare.has_value());
    EXPECT_EQ(std::optional<std::string>(rare), std::nullopt);
}

TEST(Rare, copies_are_independent) {
    Rare<std::string> first = std::string("a");
    Rare<std::string> second = first;
    EXPECT_EQ(first, second);
    *second = "b";
    EXPECT_EQ(*first, "a");
    EXPECT_FALSE(first == second);
    first = first;  // NOLINT: to itself
    EXPECT_EQ(*first, "a");
    const Rare<std::string> taken = std::exchange(first, std::nullopt);
    EXPECT_EQ(*taken, "a");
    EXPECT_FALSE(first);
    EXPECT_EQ(Rare<std::string>(std::optional<std::string>()), first);
}

TEST(Rare, takes_no_more_than_a_pointer) {
    EXPECT_EQ(sizeof(Rare<std::string>), sizeof(void*));
}

}  // namespace
}  // namespace hwenroll::lifecycle
