#include "base/clock.h"

#include <gtest/gtest.h>

namespace hwenroll {
namespace {

using namespace std::chrono;

TEST(Iso8601, writes_any_year_in_UTC) {
    EXPECT_EQ(to_iso8601(sys_days(2026y / November / 23) + 18h + 9min + 53s), "2026-11-23T18:09:53Z");
    EXPECT_EQ(to_iso8601(TimePoint(0s)), "1970-01-01T00:00:00Z");
    EXPECT_EQ(to_iso8601(TimePoint(-1s)), "1969-12-31T23:59:59Z");
    EXPECT_EQ(to_iso8601(TimePoint(sys_days(9999y / December / 31)) + 23h), "9999-12-31T23:00:00Z");
    EXPECT_EQ(to_iso8601(TimePoint(sys_days(2028y / February / 29))), "2028-02-29T00:00:00Z");
}

TEST(Words, gives_the_two_largest_units) {
    EXPECT_EQ(to_words(0s), "0 s");
    EXPECT_EQ(to_words(45s), "45 s");
    EXPECT_EQ(to_words(60s), "1 min");
    EXPECT_EQ(to_words(12min + 5s), "12 min 5 s");
    EXPECT_EQ(to_words(1h), "1 h");
    EXPECT_EQ(to_words(days(3) + 4h + 59min + 59s), "3 d 4 h");
    EXPECT_EQ(to_words(days(365)), "365 d");
}

TEST(Words, leaves_out_a_unit_that_is_zero) {
    EXPECT_EQ(to_words(1h + 1s), "1 h");
    EXPECT_EQ(to_words(days(1) + 1min), "1 d");
}

TEST(Words, shows_the_past_with_a_minus) {
    EXPECT_EQ(to_words(-(days(3) + 4h)), "-3 d 4 h");
}

}  // namespace
}  // namespace hwenroll
