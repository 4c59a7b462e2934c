// The agent and the lab CA on one virtual clock (SRV-19).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/clock_file.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

TEST(SharedClock, SRV_19_agent_and_lab_ca_live_in_another_year) {
    EnrollmentWorld world;
    const TimePoint start = std::chrono::sys_days(std::chrono::year(2041) / 6 / 1);
    const ClockFile clock(world.directory() / "clock", start);
    world.start_lab_ca({"--clock-file", clock.path().string()});
    world.configure();
    const RunResult result = world.once({{"HWENROLL_CLOCK_FILE=" + clock.path().string()}, {}, {}});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto issued = certificates_from_pem(read_file(world.live() / "cert.pem")).value();
    EXPECT_LE(issued.at(0).not_before(), start);
    EXPECT_GT(issued.at(0).not_after(), start);
    for (const std::string& line : world.requests()) {
        EXPECT_THAT(line, HasSubstr("\"findings\":[]"));
    }
}

TEST(SharedClock, SRV_19_a_missing_file_stops_the_agent_before_it_acts) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const std::string none = (world.directory() / "none").string();
    const RunResult result = world.once({{"HWENROLL_CLOCK_FILE=" + none}, {}, {}});
    EXPECT_EQ(result.exit_code, 66);
    EXPECT_THAT(result.err, HasSubstr("E-INPUT-FILE " + none + ": "));
    EXPECT_TRUE(world.requests().empty());
}

TEST(SharedClock, K1_K7_a_machine_without_a_battery_enrolls_before_its_clock_is_right) {
    EnrollmentWorld world;
    const ClockFile clock(world.directory() / "clock", std::chrono::sys_days(std::chrono::year(2002) / 1 / 1));
    world.start_lab_ca();
    world.configure();
    const RunResult result = world.once({{"HWENROLL_CLOCK_FILE=" + clock.path().string()}, {}, {}});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("the clock is not trusted: "));
    EXPECT_THAT(result.err, HasSubstr("it was not judged whether the issued certificate is valid from "));
    world.expect_published();
}

}  // namespace
}  // namespace hwenroll::test
