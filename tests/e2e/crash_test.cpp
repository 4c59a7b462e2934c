// Invariant 9: SIGKILL at any committed point of a first enrollment, run again: the same end, no unlisted object (X1…).
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/runtime/failpoint.h"
#include "agent/store/store.h"
#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

class Crash : public testing::TestWithParam<std::string> {};

TEST_P(Crash, is_survived_by_the_next_run) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const RunResult killed = world.once({{"HWENROLL_FAILPOINT=" + GetParam()}, {}, {}});
    ASSERT_EQ(killed.signal, SIGKILL) << "the point was not reached: " << killed.err;
    const RunResult again = world.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    world.expect_published();
    world.expect_no_canary({killed.err, again.err});
    auto store = store::Store::open_read_only(world.directory() / "state");
    ASSERT_TRUE(store);
    const auto ids = store->key_ids("lab");
    ASSERT_TRUE(ids);
    ASSERT_EQ(ids->size(), 1U);
    const RunResult keys = world.hwenroll({"token", "keys", "--json"});
    EXPECT_THAT(keys.out, testing::HasSubstr("\"id\": \"" + to_hex(ids->front()) + "\""))
        << "the key is the listed one";
}

TEST_P(Crash, twice_at_the_same_point_is_survived_too) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const ChildOptions options{{"HWENROLL_FAILPOINT=" + GetParam()}, {}, {}};
    ASSERT_EQ(world.once(options).signal, SIGKILL);
    const RunResult second = world.once(options);
    EXPECT_TRUE(second.signal == SIGKILL || second.exit_code == 0) << second.err;
    const RunResult again = world.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    world.expect_published();
}

INSTANTIATE_TEST_SUITE_P(AtEachPoint, Crash,
                         testing::ValuesIn(std::vector<std::string>(std::begin(runtime::failpoint_names),
                                                                    std::end(runtime::failpoint_names))),
                         [](const testing::TestParamInfo<std::string>& point) {
                             std::string name = point.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace hwenroll::test
