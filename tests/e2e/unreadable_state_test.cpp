// A state.db that a command cannot read: whose it is, that it is damaged, and what to type then.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class UnreadableState : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        world_.configure();
        ASSERT_EQ(world_.once().exit_code, 0);
    }
    [[nodiscard]] std::filesystem::path database() const { return world_.directory() / "state" / "state.db"; }
    EnrollmentWorld world_;
};

TEST_F(UnreadableState, of_another_user_is_denied_with_77) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "no root here";
    }
    ASSERT_EQ(::chmod(world_.directory().path().c_str(), 0755), 0);
    for (const std::string command : {"status", "list", "history", "metrics"}) {
        const RunResult denied = run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                      program("hwenroll"), command, "--config", world_.config().string()});
        EXPECT_EQ(denied.exit_code, 77) << denied.out;
        EXPECT_THAT(denied.err,
                    AllOf(StartsWith("E-STATE-DENIED this user may not read " + database().string()),
                          HasSubstr("'sudo hwenroll " + command + " --config " + world_.config().string() + "'")));
    }
}

TEST_F(UnreadableState, that_is_damaged_is_told_with_what_to_do) {
    write_file(database(), std::string(8192, 'x'), 0600);
    for (const std::string command : {"status", "list", "plan"}) {
        const RunResult damaged = world_.hwenroll({command});
        EXPECT_EQ(damaged.exit_code, 75) << damaged.out;
        EXPECT_THAT(damaged.err, AllOf(StartsWith("E-STATE-DAMAGED " + database().string() + " is damaged"),
                                       HasSubstr("put state.db back from a backup")));
    }
    EXPECT_EQ(world_.once().exit_code, 75);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, HasSubstr("E-STATE-DAMAGED"));
    // What is proposed where there is no backup.
    for (const char* const name : {"state.db", "state.db-wal", "state.db-shm"}) {
        std::filesystem::remove(world_.directory() / "state" / name);
    }
    EXPECT_EQ(world_.hwenroll({"status"}).exit_code, 0);
    EXPECT_EQ(world_.once().exit_code, 0) << "it is enrolled anew";
}

}  // namespace
}  // namespace hwenroll::test
