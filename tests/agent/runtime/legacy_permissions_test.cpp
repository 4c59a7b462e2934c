#include <gtest/gtest.h>

#include "agent/runtime/authority_access.h"

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

}  // namespace
}  // namespace hwenroll::runtime
