// The agent's clock in test builds (SRV-19).
#include "agent/runtime/test_clock.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "agent/runtime/system_clock.h"
#include "tests/support/clock_file.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

using namespace std::chrono_literals;
using hwenroll::test::ClockFile;
using hwenroll::test::TemporaryDirectory;
using hwenroll::test::write_file;

constexpr TimePoint noon = std::chrono::sys_days(std::chrono::year(2041) / 6 / 1) + 12h;

class TestClockTest : public testing::Test {
 protected:
    ~TestClockTest() override { ::unsetenv("HWENROLL_CLOCK_FILE"); }

    TemporaryDirectory directory_;
};

TEST_F(TestClockTest, SRV_19_follows_its_file) {
    ClockFile file(directory_ / "clock", noon);
    ::setenv("HWENROLL_CLOCK_FILE", file.path().c_str(), 1);
    const auto clock = make_clock().value();
    EXPECT_EQ(clock->now(), noon);
    file.advance(1h);
    EXPECT_EQ(clock->now(), noon + 1h);
    file.set(noon - 24h);
    EXPECT_EQ(clock->now(), noon - 24h);
    file.set_rate(ScaledTime::max_rate);
    const TimePoint before = file.now();
    const TimePoint between = clock->now();
    EXPECT_LE(before, between);
    EXPECT_LE(between, file.now());
}

TEST_F(TestClockTest, SRV_19_goes_on_while_its_file_is_unreadable) {
    ClockFile file(directory_ / "clock", noon);
    const auto clock = TestClock::open(file.path()).value();
    std::filesystem::remove(file.path());
    EXPECT_EQ(clock->now(), noon);
    write_file(file.path(), "half a li");
    EXPECT_EQ(clock->now(), noon);
    file.set(noon + 1h);
    EXPECT_EQ(clock->now(), noon + 1h);
}

TEST_F(TestClockTest, SRV_19_a_missing_or_wrong_file_is_an_error_from_the_start) {
    ::setenv("HWENROLL_CLOCK_FILE", (directory_ / "none").c_str(), 1);
    const auto missing = make_clock();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::input_file);
    EXPECT_THAT(missing.error().line(), testing::HasSubstr((directory_ / "none").string()));
    write_file(directory_ / "none", "noon\n");
    ASSERT_FALSE(make_clock());
    EXPECT_THAT(make_clock().error().line(), testing::HasSubstr("no test clock"));
}

TEST_F(TestClockTest, without_the_variable_it_is_the_system_s) {
    ::unsetenv("HWENROLL_CLOCK_FILE");
    const TimePoint before = SystemClock().now();
    EXPECT_GE(make_clock().value()->now(), before);
}

}  // namespace
}  // namespace hwenroll::runtime
