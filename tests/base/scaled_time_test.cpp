// The virtual wall clock of tests (SRV-19): its line and its arithmetic.
#include "base/scaled_time.h"

#include <gtest/gtest.h>

namespace hwenroll {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint noon = std::chrono::sys_days(std::chrono::year(2030) / 6 / 1) + 12h;

TEST(ScaledTime, SRV_19_runs_at_its_rate_from_its_start) {
    const ScaledTime time{5s, noon, 86400};
    EXPECT_EQ(time.at(5s), noon);
    EXPECT_EQ(time.at(6s), noon + 24h);
    EXPECT_EQ(time.at(5s + 500ms), noon + 12h);
    EXPECT_EQ(time.at(5s + 11us), noon);  // 0.95 s: X.509 knows whole seconds
    EXPECT_EQ(time.at(5s + 12us), noon + 1s);
}

TEST(ScaledTime, SRV_19_a_rate_of_nought_stands_still) {
    EXPECT_EQ((ScaledTime{5s, noon, 0}.at(1000h)), noon);
}

TEST(ScaledTime, SRV_19_never_runs_back_behind_its_start_nor_beyond_the_last_year) {
    const ScaledTime time{5s, noon, ScaledTime::max_rate};
    EXPECT_EQ(time.at(4s), noon);
    EXPECT_EQ(to_iso8601(time.at(std::chrono::nanoseconds::max())), "9999-12-31T23:59:59Z");
}

TEST(ScaledTime, SRV_19_its_line_is_read_back) {
    const ScaledTime time{123456789ns, noon, 3600};
    EXPECT_EQ(time.text(), "hwenroll-clock 1 123456789 1906545600 3600\n");
    EXPECT_EQ(ScaledTime::from_text(time.text()).value(), time);
    EXPECT_EQ(ScaledTime::from_text("hwenroll-clock 1 123456789 1906545600 3600").value(), time);
}

TEST(ScaledTime, SRV_19_every_other_line_is_refused) {
    for (const char* text :
         {"", "\n", "hwenroll-clock 1", "hwenroll-clock 2 1 2 3", "hwenroll-clock 1 1 2", "hwenroll-clock 1 1 2 3 4",
          "hwenroll-clock 1 1 2 3\n\n", "hwenroll-clock 1 -1 2 3", "hwenroll-clock 1 1 -2 3", "hwenroll-clock 1 1 2 -3",
          "hwenroll-clock 1 1 2 1.5", "hwenroll-clock 1  1 2 3", "hwenroll-clock 1 1 2 ", "hwenroll-clock 1 1 2 x",
          "hwenroll-clock 1 1 2 100000001", "hwenroll-clock 1 1 253402300800 3",
          "hwenroll-clock 1 9223372036854775808 2 3", "hwenroll-clock 1 1 -0 3"}) {
        const auto read = ScaledTime::from_text(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::input_file);
    }
}

}  // namespace
}  // namespace hwenroll
