// `activate_window` is in local time; all else is in UTC (K9).
#include "agent/runtime/activation.h"

#include <cstdlib>
#include <ctime>
#include <string>

#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// The C library's time zone, until the end of this object.
class TimeZone {
 public:
    explicit TimeZone(const char* zone) {
        if (const char* const before = std::getenv("TZ"); before != nullptr) {
            before_ = before;
        }
        set(zone);
    }
    TimeZone(const TimeZone&) = delete;
    TimeZone& operator=(const TimeZone&) = delete;
    ~TimeZone() { set(before_.empty() ? "UTC0" : before_.c_str()); }

 private:
    static void set(const char* zone) {
        ::setenv("TZ", zone, 1);
        ::tzset();
    }
    std::string before_;
};

constexpr const char* central_europe = "CET-1CEST,M3.5.0,M10.5.0/3";

TimePoint utc(int month, int day, int hour, int minute = 0) {
    const auto date = std::chrono::year(2030) / month / day;
    return std::chrono::sys_days(date) + hours(hour) + minutes(minute);
}

config::ActivateWindow sundays(minutes from, minutes to) {
    config::ActivateWindow window;
    window.days = 1;
    window.from = from;
    window.to = to;
    return window;
}

TEST(ActivateWindow, K9_opens_by_local_time) {
    const auto window = sundays(hours(4), hours(6));
    {
        const TimeZone zone("UTC0");
        EXPECT_EQ(next_opening(window, utc(1, 5, 12)), utc(1, 6, 4));
        EXPECT_EQ(next_opening(window, utc(1, 6, 5)), std::nullopt) << "it is open";
        EXPECT_EQ(next_opening(window, utc(1, 6, 6)), utc(1, 13, 4));
    }
    const TimeZone zone(central_europe);
    EXPECT_EQ(next_opening(window, utc(1, 5, 12)), utc(1, 6, 3));
    EXPECT_EQ(next_opening(window, utc(7, 6, 12)), utc(7, 7, 2)) << "summer";
}

TEST(ActivateWindow, K9_on_the_days_of_the_change_it_opens_and_closes_by_the_clock_on_the_wall) {
    const TimeZone zone(central_europe);
    const auto window = sundays(hours(2) + minutes(30), hours(4));
    // 2030-03-31: 02:00 becomes 03:00, so that half past two is not there. 2030-10-27: 03:00 becomes 02:00.
    const auto spring = next_opening(window, utc(3, 30, 12));
    ASSERT_TRUE(spring);
    EXPECT_GE(*spring, utc(3, 31, 0, 30));
    EXPECT_LE(*spring, utc(3, 31, 1, 30)) << "no day without it";
    EXPECT_EQ(next_opening(window, utc(3, 31, 1, 45)), std::nullopt) << "03:45 in summer time";
    EXPECT_NE(next_opening(window, utc(3, 31, 2, 15)), std::nullopt) << "04:15 in summer time";
    const auto autumn = next_opening(window, utc(10, 26, 12));
    ASSERT_TRUE(autumn);
    EXPECT_GE(*autumn, utc(10, 27, 0, 30));
    EXPECT_LE(*autumn, utc(10, 27, 1, 30));
    EXPECT_EQ(next_opening(window, utc(10, 27, 2, 45)), std::nullopt) << "03:45 in winter time";
}

}  // namespace
}  // namespace hwenroll::runtime
