// One CA after the other (SRV-10), by the vector of REN-2: 365 days, the next one 30 days before the end.
#include "tests/lab_ca/generations.h"

#include <gmock/gmock.h>

#include "tests/lab_ca/test_server.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::TemporaryDirectory;
using std::chrono::days;

constexpr TimePoint begin = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
constexpr TimePoint end = begin + days(365);

class GenerationsTest : public testing::Test {
 protected:
    Generations open(TimePoint now) { return Generations::open(directory_.path(), policy_, now).value(); }

    TemporaryDirectory directory_;
    RolloverPolicy policy_{.lifetime = days(365), .auto_rollover = days(30)};
};

TEST_F(GenerationsTest, SRV_10_REN_2_the_shadow_CA_appears_and_takes_over) {
    Generations ca = open(begin);
    ASSERT_TRUE(ca.advance(begin + days(335) - Seconds(1)));
    EXPECT_EQ(ca.next(begin + days(335) - Seconds(1)), std::nullopt);
    ASSERT_TRUE(ca.advance(begin + days(335)));
    ASSERT_EQ(ca.next(begin + days(335)), 2U);
    const Certificate& first = ca.at(1).certificate();
    const Certificate& second = ca.at(2).certificate();
    EXPECT_EQ(second.subject(), first.subject());
    EXPECT_NE(second.serial(), first.serial());
    EXPECT_NE(second.public_key(), first.public_key());
    EXPECT_EQ(second.not_before(), begin + days(335));
    EXPECT_EQ(second.not_after(), end + days(365));
    EXPECT_EQ(ca.current(end - Seconds(1)), 1U);
    EXPECT_EQ(ca.current(end), 2U);
    EXPECT_EQ(ca.next(end), std::nullopt);
    EXPECT_EQ(ca.begins(2), end);
}

TEST_F(GenerationsTest, SRV_10_another_rollover_follows_and_a_jump_misses_none) {
    Generations ca = open(begin);
    const TimePoint late = end + days(365 + 340);
    ASSERT_TRUE(ca.advance(late));
    EXPECT_EQ(ca.current(late), 3U);
    EXPECT_EQ(ca.next(late), 4U);
    EXPECT_EQ(ca.at(3).certificate().not_before(), end + days(335));
}

TEST_F(GenerationsTest, SRV_10_a_restart_changes_nothing) {
    const std::vector<Certificate> before = open(begin + days(0)).certificates();
    Generations ca = open(end - days(1));
    EXPECT_EQ(ca.at(1).certificate(), before.at(0));
    const Generations again = open(end + days(1));
    EXPECT_EQ(again.certificates(), ca.certificates());
    EXPECT_EQ(again.current(end + days(1)), 2U);
    EXPECT_EQ(again.current(end - days(1)), 1U) << "a clock that is set back";
}

TEST_F(GenerationsTest, SRV_10_subject_lifetime_and_switch_by_option) {
    policy_.next_lifetime = NextCaLifetime::from_appearance;
    policy_.next_subject = "CN=second";
    policy_.switch_early = days(2);
    (void)open(begin);
    const Generations ca = open(end - days(2));
    EXPECT_EQ(ca.at(2).certificate().subject().text(), "CN=second");
    EXPECT_EQ(ca.at(2).certificate().not_after(), begin + days(335 + 365));
    EXPECT_EQ(ca.current(end - days(2)), 2U);
    EXPECT_EQ(ca.current(end - days(2) - Seconds(1)), 1U);
}

TEST_F(GenerationsTest, SRV_10_a_rollover_as_long_as_the_lifetime_is_refused) {
    policy_.auto_rollover = policy_.lifetime;
    const auto opened = Generations::open(directory_.path(), policy_, begin);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::config_value);
}

TEST_F(GenerationsTest, without_the_policy_there_is_one_CA_and_it_ends) {
    policy_.auto_rollover.reset();
    Generations ca = open(begin);
    ASSERT_TRUE(ca.advance(end + days(1)));
    EXPECT_EQ(ca.current(end + days(1)), 1U);
    EXPECT_EQ(ca.next(end + days(1)), std::nullopt);
}

}  // namespace
}  // namespace hwenroll::lab_ca
