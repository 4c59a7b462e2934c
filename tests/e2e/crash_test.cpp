// Invariant 9: SIGKILL at any crash point of the daemon or of its worker, and the life ends as if nothing had been.
#include <cstdlib>
#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/failpoint.h"
#include "tests/e2e/life.h"

namespace hwenroll::test {
namespace {

/// The shortest life that passes the point.
Stage stage_of(std::string_view point) {
    constexpr std::string_view in_renewal[] = {"key-destroyed", "half-destroyed", "halves-gone"};
    constexpr std::string_view in_rollover[] = {"seek-committed", "successor-received", "successor-accepted",
                                                "authority-switched", "old-generation-renamed"};
    constexpr std::string_view in_refusal[] = {"refusal-committed", "authority-doubted", "alert-committed"};
    constexpr std::string_view with_envelope_key[] = {"envelope-key-id-committed", "envelope-key-generated"};
    const auto among = [&](const auto& points) { return std::ranges::find(points, point) != std::end(points); };
    return among(in_renewal)          ? Stage::renewal
           : among(in_rollover)       ? Stage::rollover
           : among(in_refusal)        ? Stage::refusal
           : among(with_envelope_key) ? Stage::envelope_key
                                      : Stage::enrollment;
}

std::string test_name(const testing::TestParamInfo<std::string>& point) {
    std::string name = point.param;
    std::ranges::replace(name, '-', '_');
    return name;
}

std::vector<std::string> every_point() {
    return {std::begin(failpoint_names), std::end(failpoint_names)};
}

/// A life in which the processes that pass `places` are killed there, one after the other.
class KilledLife {
 public:
    KilledLife(Stage stage, const std::string& places)
        : spent_((marks_ / "spent").string()),
          life_(stage, {"HWENROLL_FAILPOINT=" + places, "HWENROLL_FAILPOINT_SPENT=" + spent_}) {}

    Life& life() { return life_; }

    [[nodiscard]] int kills() const {
        int count = 0;
        while (std::filesystem::exists(spent_ + "." + std::to_string(count))) {
            ++count;
        }
        return count;
    }

 private:
    TemporaryDirectory marks_;
    std::string spent_;
    Life life_;
};

class Crash : public testing::TestWithParam<std::string> {};

TEST_P(Crash, X1_to_X11_S6_S7_is_survived) {
    KilledLife killed(stage_of(GetParam()), GetParam());
    ASSERT_TRUE(killed.life().live());
    EXPECT_EQ(killed.kills(), 1) << "the point was not reached";
    killed.life().expect_end();
}

/// The second kill comes at the N-th point of any name that a later process passes; N is drawn from the first's name.
TEST_P(Crash, invariant_9_a_second_kill_during_recovery_is_survived_too) {
    const std::size_t seed = std::hash<std::string>()(GetParam());
    KilledLife killed(stage_of(GetParam()), GetParam() + ",*:" + std::to_string(1 + seed % 24));
    killed.life().expect_operator_at_token(GetParam().starts_with("login-"));
    ASSERT_TRUE(killed.life().live());
    EXPECT_GE(killed.kills(), 1) << "the point was not reached";
    killed.life().expect_end();
}

/// All passes of all points of one program, the n-th in a life of its own, until a life is longer than n: hours of
/// lives, so for `./test.sh --soak crash`. HWENROLL_SWEEP_FROM=N takes up one that was broken off.
void sweep(Stage stage, const std::string& program) {
    const char* from = std::getenv("HWENROLL_SWEEP_FROM");
    for (int n = from == nullptr ? 1 : std::stoi(from);; ++n) {
        KilledLife killed(stage, "*@" + program + ":" + std::to_string(n));
        ASSERT_TRUE(killed.life().live()) << "pass " << n;
        killed.life().expect_end();
        if (testing::Test::HasFailure()) {
            FAIL() << "at pass " << n << " of " << program;
        }
        if (killed.kills() == 0) {
            std::cout << program << ": has " << n - 1 << " passes, all kills survived\n";
            return;
        }
    }
}

TEST(DISABLED_CrashSweep, hwenrolld_in_an_enrollment) {
    sweep(Stage::enrollment, "hwenrolld");
}

TEST(DISABLED_CrashSweep, hwenroll_token_in_an_enrollment) {
    sweep(Stage::enrollment, "hwenroll-token");
}

TEST(DISABLED_CrashSweep, hwenrolld_in_an_enrollment_with_an_envelope_key) {
    sweep(Stage::envelope_key, "hwenrolld");
}

TEST(DISABLED_CrashSweep, hwenrolld_in_a_rollover) {
    sweep(Stage::rollover, "hwenrolld");
}

TEST(DISABLED_CrashSweep, hwenroll_token_in_a_rollover) {
    sweep(Stage::rollover, "hwenroll-token");
}

INSTANTIATE_TEST_SUITE_P(AtEachPoint, Crash, testing::ValuesIn(every_point()), test_name);

}  // namespace
}  // namespace hwenroll::test
