// What root's commands leave behind where the state belongs to the service's user.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <sys/syscall.h>
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

    [[nodiscard]] std::filesystem::path probe() const { return world_.directory() / "probe"; }

    /// A program that prints `secret`, and appends to the file that is returned what `script` prints.
    [[nodiscard]] std::filesystem::path make_probe(const std::string& script, const std::string& secret) const {
        const std::filesystem::path found = world_.directory() / "found";
        write_file(probe(), fmt::format("#!/bin/sh\n{{ {}; }} >>{}\necho {}\n", script, found.string(), secret), 0755);
        write_file(found, "");
        give(found);
        return found;
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

TEST_F(RootRun, F8_S11_doctor_sees_what_others_may_put_in_the_place_of_the_state) {
    ASSERT_EQ(once_as_the_service().exit_code, 0);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, Not(HasSubstr("may take the place of")));
    const std::string above = world_.directory().path().string();
    ASSERT_EQ(::chmod(above.c_str(), 0777), 0);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out,
                AllOf(HasSubstr("warn    state directory: " + above + " is not root's alone to write"),
                      HasSubstr("-> chmod go-w " + above)));
    ASSERT_EQ(::chmod(above.c_str(), 01777), 0);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, Not(HasSubstr("may take the place of"))) << "others' is kept";
    ASSERT_EQ(::chmod(above.c_str(), 0755), 0);
    ASSERT_EQ(::chown(above.c_str(), agent + 1, 0), 0);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, HasSubstr("-> chown root " + above));
    ASSERT_EQ(::chown(above.c_str(), 0, 0), 0);
    const std::string database = world_.directory() / "state" / "state.db";
    ASSERT_EQ(::chown(database.c_str(), 0, 0), 0);
    const RunResult taken = world_.hwenroll({"doctor"});
    EXPECT_EQ(taken.exit_code, 75) << taken.out;
    EXPECT_THAT(taken.out, HasSubstr("-> chown --reference=" + above + "/state " + database));
}

TEST_F(RootRun, S11_a_database_that_a_command_makes_first_is_the_services) {
    const RunResult keys = world_.hwenroll({"token", "keys"});
    EXPECT_EQ(keys.exit_code, 0) << keys.err;
    ASSERT_TRUE(std::filesystem::exists(world_.directory() / "state" / "state.db")) << "the login is on record";
    EXPECT_THAT(taken_from_the_agent(), IsEmpty());
    const RunResult service = once_as_the_service();
    EXPECT_EQ(service.exit_code, 0) << service.err;
}

TEST_F(RootRun, S11_a_database_that_cannot_be_given_away_is_not_left_behind) {
    const RunResult keys = run({"setpriv", "--bounding-set=-chown", program("hwenroll"), "token", "keys", "--config",
                                world_.config().string()});
    EXPECT_NE(keys.exit_code, 0) << keys.out;
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "state" / "state.db"));
    EXPECT_EQ(once_as_the_service().exit_code, 0);
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

TEST_F(RootRun, S11_roots_environment_and_session_keyring_stay_with_root) {
    const std::filesystem::path go = world_.directory() / "go";
    const auto found = make_probe(
        fmt::format("echo $PPID; i=0; while [ ! -e {} ] && [ $i -lt 250 ]; do sleep 0.1; i=$((i+1)); done; cat "
                    "/proc/keys",
                    go.string()),
        canary_pin);
    world_.configure({.pin = "exec:" + probe().string()});
    constexpr int join = 1;
    if (::syscall(SYS_keyctl, join, nullptr) < 0 && (errno == EPERM || errno == ENOSYS)) {
        GTEST_SKIP() << "no session keyrings here: " << std::strerror(errno);
    }
    ASSERT_GE(::syscall(SYS_add_key, "user", "hwenroll-roots-key", "x", 1, -3 /* the session's keyring */), 0);
    ChildProcess once({program("hwenrolld"), "--once", "--config", world_.config().string()},
                      {{"ROOTS_SECRET=canary", "PATH=/opt/roots-own/bin", "LC_TIME=C.UTF-8"}, {}, {}});
    std::string worker;
    while (worker.find('\n') == std::string::npos && !once.wait(std::chrono::milliseconds(10))) {
        worker = read_file(found);
    }
    ASSERT_THAT(worker, HasSubstr("\n")) << once.err();
    std::string seen = read_file("/proc/" + worker.substr(0, worker.find('\n')) + "/environ");
    write_file(go, "");
    const auto ended = once.wait(std::chrono::seconds(60));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->exit_code, 0) << once.err();
    seen += read_file(found);
    EXPECT_THAT(seen, AllOf(HasSubstr("_ses"), HasSubstr("LC_TIME=C.UTF-8"), HasSubstr("HOME=/nonexistent"),
                            HasSubstr("USER=nobody")));
    EXPECT_THAT(seen, AllOf(Not(HasSubstr("ROOTS_SECRET")), Not(HasSubstr("/opt/roots-own/bin")),
                            Not(HasSubstr("hwenroll-roots-key"))));
}

TEST_F(RootRun, X13_S11_a_signal_while_systemd_is_asked_for_groups_ends_it_before_anything_is_touched) {
    if (run({"unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"}).exit_code != 0) {
        GTEST_SKIP() << "needs to mount";
    }
    const auto systemctl = world_.directory() / "systemctl";
    write_file(systemctl, "#!/bin/sh\nkill -TERM $PPID\nexec sleep 60\n", 0755);
    const RunResult ended =
        run({"unshare", "-m", "sh", "-c",
             fmt::format("mount -t tmpfs none /run && mkdir -p /run/systemd/system && mount --bind {} "
                         "/usr/bin/systemctl && exec {} --once --config {}",
                         systemctl.string(), program("hwenrolld"), world_.config().string())},
            {}, std::chrono::seconds(30));
    EXPECT_EQ(ended.exit_code, 75) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("E-INTERRUPTED"));
    EXPECT_TRUE(std::filesystem::is_empty(world_.directory() / "state"));
}

TEST_F(RootRun, S11_what_runs_as_that_user_cannot_type_at_roots_terminal) {
    const auto found = make_probe("(: <>/dev/tty) 2>/dev/null && echo reached || echo none", canary_pin);
    world_.configure({.pin = "exec:" + probe().string()});
    // The shell leads the session, as root's does: what is typed there is for it once hwenrolld has ended.
    TerminalSession shell({"/bin/sh", "-c",
                           fmt::format("{} --once --config {}; status=$?; : <>/dev/tty && echo still; exit $status",
                                       program("hwenrolld"), world_.config().string())});
    EXPECT_EQ(shell.end(), 0) << shell.screen();
    EXPECT_THAT(shell.screen(), HasSubstr("still")) << "the session keeps its terminal";
    EXPECT_THAT(read_file(found), AllOf(HasSubstr("none"), Not(HasSubstr("reached"))));
}

TEST_F(RootRun, S11_at_the_head_of_a_session_no_program_of_the_users_has_its_terminal) {
    const auto found = make_probe("(: <>/dev/tty) 2>/dev/null && echo reached || echo none", canary_challenge);
    world_.configure({.challenge = "exec:" + probe().string()});
    TerminalSession once({program("hwenrolld"), "--once", "--config", world_.config().string()});
    EXPECT_EQ(once.end(), 0) << once.screen();
    EXPECT_THAT(read_file(found), AllOf(HasSubstr("none"), Not(HasSubstr("reached"))));
    EXPECT_THAT(taken_from_the_agent(), IsEmpty());
}

/// debian/hwenroll.postrm in a mount namespace whose /etc, /run and /var/lib are the test's.
class Purge : public testing::Test {
 protected:
    void SetUp() override {
        if (::geteuid() != 0 || run({"unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"}).exit_code != 0) {
            GTEST_SKIP() << "needs to mount";
        }
        const std::string text = read_file(source_file("debian/hwenroll.postrm"));
        const std::string generated = "#DEBHELPER#";
        const auto at = text.find(generated);
        ASSERT_NE(at, std::string::npos);
        write_file(script(), text.substr(0, at) + text.substr(at + generated.size()), 0755);
    }
    [[nodiscard]] std::filesystem::path script() const { return directory_ / "postrm"; }

    /// What is left of /var/lib/hwenroll, after `prepare`.
    [[nodiscard]] RunResult purge(const std::string& prepare) const {
        return run({"unshare", "-m", "sh", "-euc",
                    "for place in /etc /run /var/lib; do mount -t tmpfs none $place; done; mkdir -p /etc/hwenroll "
                    "/var/lib/hwenroll; touch /etc/hwenroll/hwenroll.toml; " +
                        prepare +
                        "; sh \"$0\" purge; test ! -e /etc/hwenroll; if test -e /var/lib/hwenroll; then find "
                        "/var/lib/hwenroll; fi",
                    script().string()});
    }

    TemporaryDirectory directory_;
};

TEST_F(Purge, S11_takes_the_state_and_empties_one_that_is_a_mount_point) {
    const std::string state = "mkdir -p /var/lib/hwenroll/live/web; touch /var/lib/hwenroll/state.db";
    const RunResult plain = purge(state);
    EXPECT_EQ(plain.exit_code, 0) << plain.err;
    EXPECT_EQ(plain.out, "");
    const RunResult mounted = purge("mount -t tmpfs none /var/lib/hwenroll; " + state);
    EXPECT_EQ(mounted.exit_code, 0) << mounted.err;
    EXPECT_EQ(mounted.out, "/var/lib/hwenroll\n");
    EXPECT_THAT(mounted.err, HasSubstr("left as a place of mounts: /var/lib/hwenroll"));
    const RunResult below =
        purge(state + "; mount -t tmpfs none /var/lib/hwenroll/live; touch /var/lib/hwenroll/live/x");
    EXPECT_EQ(below.exit_code, 0) << below.err;
    EXPECT_EQ(below.out, "/var/lib/hwenroll\n/var/lib/hwenroll/live\n");
}

TEST_F(Purge, fails_where_something_cannot_be_taken_and_says_what) {
    const RunResult kept = purge(
        "mount -t tmpfs none /var/lib/hwenroll; touch /var/lib/hwenroll/state.db; mount -o remount,ro "
        "/var/lib/hwenroll");
    EXPECT_NE(kept.exit_code, 0);
    EXPECT_THAT(kept.err, AllOf(HasSubstr("state.db"), HasSubstr("Read-only file system")));
}

}  // namespace
}  // namespace hwenroll::test
