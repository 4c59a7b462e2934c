// F11: what is warned of, and what is not.
#include "agent/cli/late_renewal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr Seconds hour{3600};
constexpr Seconds day = 24 * hour;

std::string judged(config::LifetimePoint renew_at, std::optional<Seconds> lifetime = {}) {
    config::IdentitySettings identity;
    identity.renew_at = renew_at;
    return late_renewal(identity, lifetime);
}

TEST(LateRenewal, F11_of_less_than_a_day_is_told_with_what_it_leaves) {
    EXPECT_THAT(judged(12 * hour), HasSubstr("'renew_at' leaves 12 h for a renewal"));
    EXPECT_THAT(judged(config::Percent{99}), HasSubstr("of a certificate of 90 days"));
    EXPECT_THAT(judged(config::Percent{95}, 10 * day), HasSubstr("leaves 12 h of its certificate"));
}

TEST(LateRenewal, F11_with_time_to_repeat_it_is_none) {
    EXPECT_THAT(judged(config::Percent{75}), IsEmpty());
    EXPECT_THAT(judged(30 * day), IsEmpty());
    EXPECT_THAT(judged(day), IsEmpty());
    EXPECT_THAT(judged(config::Percent{99}, 365 * day), IsEmpty());
}

TEST(LateRenewal, F11_of_a_certificate_of_hours_is_judged_by_its_life) {
    EXPECT_THAT(judged(config::Percent{75}, 24 * hour), IsEmpty());
    EXPECT_THAT(judged(8 * hour, 24 * hour), IsEmpty());
    EXPECT_THAT(judged(hour, 24 * hour), HasSubstr("leaves 1 h"));
}

}  // namespace
}  // namespace hwenroll::cli
