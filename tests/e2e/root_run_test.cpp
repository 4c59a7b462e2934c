// What root's commands leave behind where the state belongs to the service's user.
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/terminal_session.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uid_t agent = 65534;

/// A world whose token, secrets and directories are those of a service's user.
class RootRun : public testing::Test {
 protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root to give files away";
        }
        world_.start_lab_ca();
        world_.configure();
        for (const char* const name : {"state", "live"}) {
            ASSERT_TRUE(std::filesystem::create_directory(world_.directory() / name));
            give(world_.directory() / name);
        }
        for (const char* const name : {"lab.pin", "corp.challenge"}) {
            give(world_.directory() / name);
        }
        give(world_.hsm().directory().path());
        for (const auto& entry : std::filesystem::recursive_directory_iterator(world_.hsm().directory().path())) {
            give(entry.path());
        }
    }

    static void give(const std::filesystem::path& path) { ASSERT_EQ(::lchown(path.c_str(), agent, agent), 0) << path; }

    /// Everything in the state, the published files and the token that is not the agent's.
    [[nodiscard]] std::set<std::string> taken_from_the_agent() {
        std::set<std::string> others;
        for (const auto& place :
             {world_.directory() / "state", world_.directory() / "live", world_.hsm().directory().path()}) {
            for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
                struct stat status {};
                EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0) << entry.path();
                if (status.st_uid != agent || status.st_gid != agent) {
                    others.insert(entry.path());
                }
            }
        }
        return others;
    }

    [[nodiscard]] RunResult once_as_the_service() const {
        return run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program("hwenrolld"), "--once",
                    "--config", world_.config().string()},
                   {}, std::chrono::seconds(90));
    }

    EnrollmentWorld world_;
};

TEST_F(RootRun, S11_once_makes_everything_as_the_user_whose_the_state_is) {
    const RunResult once = world_.once();
    EXPECT_EQ(once.exit_code, 0) << once.err;
    EXPECT_THAT(taken_from_the_agent(), IsEmpty());
    world_.expect_published();
    const std::size_t sent = world_.requests().size();
    const RunResult service = once_as_the_service();
    EXPECT_EQ(service.exit_code, 0) << service.err;
    EXPECT_EQ(world_.requests().size(), sent) << "the service goes on with the same state";
}

TEST_F(RootRun, S11_commands_that_look_leave_the_database_to_the_service) {
    ASSERT_EQ(once_as_the_service().exit_code, 0);
    for (const char* const command : {"status", "list", "history", "check", "plan", "metrics", "doctor"}) {
        const RunResult looked = world_.hwenroll({command});
        EXPECT_EQ(looked.exit_code, command == std::string("check") ? 1 : 0) << command << looked.out << looked.err;
        EXPECT_THAT(taken_from_the_agent(), IsEmpty()) << command;
    }
}

TEST_F(RootRun, S11_a_database_that_a_command_makes_first_is_the_services) {
    const RunResult keys = world_.hwenroll({"token", "keys"});
    EXPECT_EQ(keys.exit_code, 0) << keys.err;
    ASSERT_TRUE(std::filesystem::exists(world_.directory() / "state" / "state.db")) << "the login is on record";
    EXPECT_THAT(taken_from_the_agent(), IsEmpty());
    const RunResult service = once_as_the_service();
    EXPECT_EQ(service.exit_code, 0) << service.err;
}

TEST_F(RootRun, S11_without_the_right_to_become_that_user_nothing_is_touched_and_the_command_is_named) {
    const RunResult refused = run(
        {"setpriv", "--bounding-set=-setuid", program("hwenrolld"), "--once", "--config", world_.config().string()});
    EXPECT_EQ(refused.exit_code, 75);
    EXPECT_THAT(refused.err,
                AllOf(HasSubstr("E-STATE-DIRECTORY"), HasSubstr((world_.directory() / "state").string()),
                      HasSubstr("Operation not permitted"), HasSubstr("systemctl start hwenroll-once.service"),
                      HasSubstr("setpriv --reuid=nobody --regid=65534 --init-groups hwenrolld --once")));
    EXPECT_TRUE(std::filesystem::is_empty(world_.directory() / "state"));
}

TEST_F(RootRun, S11_what_runs_as_that_user_cannot_type_at_roots_terminal) {
    const std::string found = world_.directory() / "found";
    const auto program_of_pin = world_.directory() / "pin";
    write_file(program_of_pin,
               fmt::format("#!/bin/sh\n(: <>/dev/tty) 2>/dev/null && echo reached >>{0} || echo none >>{0}\necho {1}\n",
                           found, canary_pin),
               0755);
    write_file(found, "");
    give(found);
    world_.configure({.pin = "exec:" + program_of_pin.string()});
    // The shell leads the session, as root's does: what is typed there is for it once hwenrolld has ended.
    TerminalSession shell({"/bin/sh", "-c",
                           fmt::format("{} --once --config {}; status=$?; : <>/dev/tty && echo still; exit $status",
                                       program("hwenrolld"), world_.config().string())});
    EXPECT_EQ(shell.end(), 0) << shell.screen();
    EXPECT_THAT(shell.screen(), HasSubstr("still")) << "the session keeps its terminal";
    EXPECT_THAT(read_file(found), AllOf(HasSubstr("none"), Not(HasSubstr("reached"))));
}

TEST_F(RootRun, S11_at_the_head_of_a_session_it_runs_to_its_end) {
    TerminalSession once({program("hwenrolld"), "--once", "--config", world_.config().string()});
    EXPECT_EQ(once.end(), 0) << once.screen();
    EXPECT_THAT(taken_from_the_agent(), IsEmpty());
}

}  // namespace
}  // namespace hwenroll::test
