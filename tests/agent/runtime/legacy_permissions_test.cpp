#include <gtest/gtest.h>

#include "agent/runtime/authority_access.h"
#include "agent/runtime/legacy_reminder.h"

namespace hwenroll::runtime {
namespace {

TEST(LegacyPermissions, end_at_legacy_until) {
    config::LegacySettings legacy;
    legacy.sha1_reply = true;
    const TimePoint end = std::chrono::sys_days(std::chrono::year(2027) / 6 / 1);
    EXPECT_FALSE(permissions_of(legacy, end, true).sha1_reply) << "without legacy_until there are none";
    legacy.until = end;
    EXPECT_TRUE(permissions_of(legacy, end - Seconds(1), true).sha1_reply);
    EXPECT_FALSE(permissions_of(legacy, end, true).sha1_reply);
}

TEST(LegacyPermissions, K1_do_not_end_by_a_clock_that_is_not_trusted) {
    config::LegacySettings legacy;
    legacy.sha1_reply = true;
    legacy.until = std::chrono::sys_days(std::chrono::year(2027) / 6 / 1);
    EXPECT_TRUE(permissions_of(legacy, *legacy.until + Seconds(1), false).sha1_reply);
    EXPECT_FALSE(permissions_of(legacy, *legacy.until + Seconds(1), false).des3) << "only what is permitted";
}

TEST(LegacyReminder, C27_is_told_once_a_day_from_30_days_before_the_end) {
    constexpr Seconds day{86400};
    const TimePoint end = std::chrono::sys_days(std::chrono::year(2027) / 6 / 1);
    config::LegacySettings legacy;
    EXPECT_EQ(legacy_notice("corp", legacy, end), "") << "nothing is permitted";
    EXPECT_EQ(legacy_notice_due(legacy, {}), std::nullopt);
    legacy.des3 = true;
    legacy.sha1_reply = true;
    legacy.until = end;
    EXPECT_EQ(legacy_notice("corp", legacy, end - 30 * day - Seconds(1)), "");
    EXPECT_EQ(legacy_notice_due(legacy, {}), end - 30 * day);
    EXPECT_EQ(legacy_notice_due(legacy, end - 60 * day), end - 30 * day);
    EXPECT_EQ(legacy_notice_due(legacy, end - 30 * day), end - 29 * day);
    EXPECT_EQ(legacy_notice_due(legacy, end - day), std::nullopt) << "it is over then";
    EXPECT_EQ(legacy_notice("corp", legacy, end - 12 * day),
              "ca corp: legacy = [\"des3\", \"sha1-reply\"] ends with 2027-05-31, in 12 d; have the CA use AES and "
              "SHA-256 by then, or set another 'legacy_until'");
    EXPECT_EQ(legacy_notice("corp", legacy, end),
              "ca corp: legacy = [\"des3\", \"sha1-reply\"] has ended with 2027-05-31, nothing is permitted by it any "
              "more");
}

}  // namespace
}  // namespace hwenroll::runtime
