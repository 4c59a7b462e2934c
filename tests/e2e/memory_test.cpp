// X15: memory ends at the n-th allocation of the worker or of the agent. That process may die; what is published, the
// state and the token stay in order, and the next run with memory comes to the same end as one that never lacked any.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

struct Shortage {
    std::string program;
    long allocation;
    bool once;
};

/// More allocations than any of the programs makes.
constexpr long never = 3'000'000;

class Memory : public testing::TestWithParam<Shortage> {};

TEST_P(Memory, X15_that_ends_costs_nothing_but_the_run) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizer's own malloc stands in the way";
#endif
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const Shortage& shortage = GetParam();
    std::vector<std::string> environment{"LD_PRELOAD=" + module("libhwenroll-failing-malloc.so"),
                                         "HWENROLL_MALLOC_FAILS_IN=" + shortage.program,
                                         "HWENROLL_MALLOC_FAILS_AT=" + std::to_string(shortage.allocation)};
    if (shortage.once) {
        environment.emplace_back("HWENROLL_MALLOC_FAILS_ONCE=1");
    }
    const RunResult poor = world.once({environment, {}, {}});
    EXPECT_FALSE(poor.timed_out);
    EXPECT_NE(poor.signal, SIGSEGV) << poor.err;
    if (shortage.program == "hwenroll-token") {
        EXPECT_EQ(poor.signal, 0) << "the agent lives";
    }
    if (shortage.allocation == 1 && !shortage.once) {
        EXPECT_NE(poor.exit_code, 0) << "there was memory";
    }
    if (shortage.allocation == never) {
        EXPECT_EQ(poor.exit_code, 0) << "the sweep ends before the run does: " << poor.err;
    }
    // SoftHSM says CKR_PIN_INCORRECT for want of memory; a refused PIN waits for its file to change.
    write_file(world.pin_path(), canary_pin, 0600);
    // A login whose outcome nobody knows is repeated once only; an operator says that all is well.
    EXPECT_EQ(world.hwenroll({"resume", "web"}).exit_code, 0);
    const RunResult rich = world.once();
    EXPECT_EQ(rich.exit_code, 0) << "after " << poor.err << "then " << rich.err;
    EXPECT_TRUE(std::filesystem::exists(world.live() / "fullchain.pem"));
    // SoftHSM may leave an object without name and id behind, which nobody can know to be ours.
    EXPECT_EQ(world.objects("hwenroll web"), 2) << "one pair";
    world.expect_no_canary({poor.err, rich.err});
    RecordProperty("exit_code", poor.exit_code);
}

std::vector<Shortage> shortages() {
    // SQLite's way, but coarse, since each one is a whole enrollment. A worker needs some 30,000 allocations for one,
    // the agent some 60,000.
    const std::vector<long> of_worker{1, 300, 3000, 8000, 14000, 20000, 24000, 28000, 32000, never};
    const std::vector<long> of_agent{1, 300, 3000, 12000, 24000, 36000, 42000, 48000, 54000, 60000, 70000, never};
    std::vector<Shortage> all;
    for (const bool once : {false, true}) {
        for (const long allocation : of_worker) {
            all.push_back({"hwenroll-token", allocation, once});
        }
        for (const long allocation : of_agent) {
            all.push_back({"hwenrolld", allocation, once});
        }
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Of, Memory, testing::ValuesIn(shortages()), [](const testing::TestParamInfo<Shortage>& one) {
    std::string program = one.param.program;
    std::replace(program.begin(), program.end(), '-', '_');
    return program + (one.param.once ? "_once_at_" : "_from_") + std::to_string(one.param.allocation);
});

}  // namespace
}  // namespace hwenroll::test
