// `hwenroll init` on a machine whose hwenrolld.service may not use the token yet: the question about a drop-in of the
// unit. Each command runs in a mount namespace with an /etc of this test, a service user in it, and a systemctl that
// answers for the unit.
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/init_world.h"
#include "tests/e2e/terminal_session.h"

namespace hwenroll::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr uid_t service_user = 64'321;
constexpr gid_t token_group = 64'322;

/// Without the accounts of a package that is installed here.
void add_accounts(const fs::path& file, const std::string& more) {
    std::string kept;
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
        kept += line.starts_with("hwenroll:") || line.starts_with("token-users:") ? "" : line + "\n";
    }
    write_file(file, kept + more);
}

class InitDropIn : public InitWorld {
 protected:
    void SetUp() override {
        if (::geteuid() != 0 || !fs::exists("/usr/bin/systemctl") || run({"unshare", "-m", "true"}).exit_code != 0) {
            GTEST_SKIP() << "no root, no systemctl, or no mount namespace here";
        }
        InitWorld::SetUp();
        ASSERT_EQ(run({"cp", "-a", "/etc", etc().string()}).exit_code, 0);
        fs::remove_all(etc() / "hwenroll");
        fs::remove_all(drop_in().parent_path());
        fs::remove_all(drop_in_of_once().parent_path());
        add_accounts(etc() / "passwd", fmt::format("hwenroll:x:{0}:{0}::/:/usr/sbin/nologin\n", service_user));
        add_accounts(etc() / "group", fmt::format("hwenroll:x:{}:\ntoken-users:x:{}:\n", service_user, token_group));
        ASSERT_EQ(::chown(tokens().c_str(), 0, token_group), 0);
        write_file(world_.directory() / "systemctl",
                   fmt::format("#!/bin/sh\necho \"$*\" >>{0}/asked\ncase $1 in\n"
                               "show) printf 'LoadState=loaded\\nSupplementaryGroups=\\nReadWritePaths=%s\\n' "
                               "\"$(cat {0}/granted 2>/dev/null)\" ;;\nis-active) echo inactive ;;\n"
                               "daemon-reload) [ ! -e {0}/refusal ] || {{ cat {0}/refusal; exit 1; }} ;;\nesac\n",
                               world_.directory().path().string()),
                   0755);
    }
    [[nodiscard]] fs::path etc() const { return world_.directory() / "etc"; }
    [[nodiscard]] fs::path tokens() { return world_.hsm().token_directory(); }
    [[nodiscard]] fs::path drop_in() const { return etc() / "systemd" / "system" / "hwenrolld.service.d" / "lab.conf"; }
    [[nodiscard]] fs::path drop_in_of_once() const {
        return etc() / "systemd" / "system" / "hwenroll-once.service.d" / "lab.conf";
    }
    [[nodiscard]] fs::path main_file() const { return etc() / "hwenroll" / "hwenroll.toml"; }
    [[nodiscard]] std::string wanted() {
        return "[Service]\nSupplementaryGroups=token-users\nReadWritePaths=" + tokens().string() + "\n";
    }
    /// What systemctl was asked, a line each.
    [[nodiscard]] std::string asked() const { return read_file(world_.directory() / "asked"); }

    [[nodiscard]] std::vector<std::string> inside(const std::vector<std::string>& arguments) const {
        std::vector<std::string> line{
            "unshare",
            "-m",
            "sh",
            "-euc",
            "mount --make-rprivate /; mount -t tmpfs none /run; mkdir -p /run/systemd/system; "
            "mount --bind \"$0/etc\" /etc; mount --bind \"$0/systemctl\" /usr/bin/systemctl; "
            "exec \"$@\"",
            world_.directory().path().string()};
        line.insert(line.end(), arguments.begin(), arguments.end());
        return line;
    }
    [[nodiscard]] std::vector<std::string> packaged(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> arguments{program("hwenroll"), "init", "--name", "web", "--token", "lab"};
        for (const std::vector<std::string>& words : {all(), more}) {
            arguments.insert(arguments.end(), words.begin(), words.end());
        }
        return inside(arguments);
    }
    /// The command after a `next:` or `then:` that begins so, typed on that machine.
    [[nodiscard]] RunResult follow(const std::string& screen, const std::string& beginning) const {
        const auto at = screen.find(": " + beginning);
        EXPECT_NE(at, std::string::npos) << screen;
        const std::string command = screen.substr(at + 2, screen.find_first_of("\r\n", at) - at - 2);
        return run(inside({"sh", "-c", command}));
    }
    void answer_secrets(TerminalSession& session) const {
        ASSERT_TRUE(session.shows("later):")) << session.screen();
        session.type(canary_pin);
        ASSERT_TRUE(session.shows("none):")) << session.screen();
        session.type(canary_challenge);
        ASSERT_TRUE(session.shows("hwenrolld.service may not use this token yet")) << session.screen();
        ASSERT_TRUE(session.shows("Type yes to have it written:")) << session.screen();
    }
    void expect_clean_and_of_the_service() const {
        const RunResult checked = run(inside({program("hwenroll"), "check-config"}));
        EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
        for (const char* const secret : {"lab.pin", "corp.challenge"}) {
            struct stat facts {};
            ASSERT_EQ(::stat((etc() / "hwenroll" / secret).c_str(), &facts), 0) << secret;
            EXPECT_EQ(facts.st_uid, service_user) << secret;
            EXPECT_EQ(facts.st_mode & 07777U, 0600U) << secret;
        }
    }
};

TEST_F(InitDropIn, yes_writes_what_the_unit_lacks_and_lets_systemd_read_it) {
    TerminalSession session(packaged());
    answer_secrets(session);
    session.type("yes");
    ASSERT_EQ(session.end(), 0) << session.screen();
    EXPECT_EQ(read_file(drop_in()), wanted());
    EXPECT_EQ(read_file(drop_in_of_once()), wanted());
    EXPECT_EQ(mode_of(drop_in()), 0644U);
    EXPECT_THAT(asked(), HasSubstr("daemon-reload\n"));
    EXPECT_THAT(session.screen(), AllOf(HasSubstr("written: /etc/systemd/system/hwenrolld.service.d/lab.conf"),
                                        HasSubstr("written: /etc/hwenroll/hwenroll.toml"), Not(HasSubstr("printf")),
                                        Not(HasSubstr("could not read"))));
    expect_clean_and_of_the_service();
    // What the drop-in cannot give is told with it: the token's files are root's alone.
    EXPECT_THAT(session.screen(), HasSubstr("user hwenroll may not read and write all of "));
    const RunResult followed = follow(session.screen(), "chgrp -R token-users ");
    EXPECT_EQ(followed.exit_code, 0) << followed.err;
    for (const auto& entry : fs::recursive_directory_iterator(tokens())) {
        EXPECT_EQ(mode_of(entry.path()) & 0060U, 0060U) << entry.path();
    }
}

TEST_F(InitDropIn, another_answer_leaves_the_unit_alone_and_the_next_command_writes_the_same) {
    for (const std::string answer : {"no", "y", ""}) {
        TerminalSession session(packaged());
        answer_secrets(session);
        session.type(answer);
        ASSERT_EQ(session.end(), 0) << session.screen();
        EXPECT_FALSE(fs::exists(drop_in())) << answer;
        EXPECT_THAT(asked(), Not(HasSubstr("daemon-reload"))) << answer;
        expect_clean_and_of_the_service();
        EXPECT_THAT(session.screen(),
                    HasSubstr("the sandbox of hwenrolld.service does not reach " + tokens().string()));
        const RunResult followed = follow(session.screen(), "printf ");
        EXPECT_EQ(followed.exit_code, 0) << followed.err;
        EXPECT_EQ(read_file(drop_in()), wanted());
        EXPECT_EQ(read_file(drop_in_of_once()), wanted());
        EXPECT_THAT(asked(), AllOf(HasSubstr("daemon-reload\n"), HasSubstr("restart hwenrolld\n")));
        fs::remove_all(etc() / "hwenroll");
        fs::remove_all(drop_in().parent_path());
        fs::remove_all(drop_in_of_once().parent_path());
        fs::remove(world_.directory() / "asked");
    }
}

TEST_F(InitDropIn, nothing_is_asked_where_the_unit_has_it_or_the_option_says_it) {
    const RunResult given =
        run(packaged({"--drop-in", "--pin-file", "-", "--challenge-file", "-"}), {{}, {}, secrets()});
    ASSERT_EQ(given.exit_code, 0) << given.out << given.err;
    EXPECT_EQ(read_file(drop_in()), wanted());
    expect_clean_and_of_the_service();
    fs::remove_all(etc() / "hwenroll");
    fs::remove_all(drop_in().parent_path());

    write_file(world_.directory() / "granted", tokens().string());
    add_accounts(etc() / "group",
                 fmt::format("hwenroll:x:{}:\ntoken-users:x:{}:hwenroll\n", service_user, token_group));
    TerminalSession session(packaged());
    ASSERT_TRUE(session.shows("later):")) << session.screen();
    session.type("");
    ASSERT_TRUE(session.shows("none):")) << session.screen();
    session.type("");
    ASSERT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(session.screen(), Not(HasSubstr("may not use this token yet")));
    EXPECT_FALSE(fs::exists(drop_in()));
}

TEST_F(InitDropIn, a_failure_after_it_takes_it_back_and_lets_systemd_forget_it) {
    fs::create_directory(etc() / "hwenroll");
    std::vector<std::string> command =
        inside({"sh", "-c", "mount -t tmpfs -o ro none /etc/hwenroll && exec \"$0\" \"$@\""});
    const std::vector<std::string> init = packaged({"--drop-in", "--pin-file", "-", "--challenge-file", "-"});
    command.insert(command.end(), init.begin() + static_cast<std::ptrdiff_t>(inside({}).size()), init.end());
    const RunResult failed = run(command, {{}, {}, secrets()});
    EXPECT_NE(failed.exit_code, 0) << failed.out;
    EXPECT_THAT(failed.err, HasSubstr("Read-only file system"));
    EXPECT_FALSE(fs::exists(drop_in()));
    EXPECT_FALSE(fs::exists(drop_in_of_once()));
    const std::string log = asked();
    const std::size_t first = log.find("daemon-reload\n");
    ASSERT_NE(first, std::string::npos);
    EXPECT_NE(log.find("daemon-reload\n", first + 1), std::string::npos) << log;
}

TEST_F(InitDropIn, a_reload_that_systemd_refuses_is_told_with_what_to_type) {
    write_file(world_.directory() / "refusal", "Failed to reload daemon: Access denied\n");
    TerminalSession session(packaged());
    answer_secrets(session);
    session.type("yes");
    ASSERT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(session.screen(), AllOf(HasSubstr("systemd could not read its units again: Failed to reload daemon"),
                                        HasSubstr("  systemctl daemon-reload && systemctl restart hwenrolld")));
    EXPECT_EQ(read_file(drop_in()), wanted());
}

TEST_F(InitDropIn, one_of_that_name_is_kept_and_another_one_is_written_beside_it) {
    fs::create_directories(drop_in().parent_path());
    write_file(drop_in(), "# mine\n");
    TerminalSession session(packaged());
    answer_secrets(session);
    EXPECT_THAT(session.screen(), HasSubstr("It needs /etc/systemd/system/hwenrolld.service.d/lab-2.conf"));
    session.type("no");
    ASSERT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(session.screen(), HasSubstr("/dev/stdin /etc/systemd/system/hwenrolld.service.d/lab-2.conf"));
    fs::remove_all(etc() / "hwenroll");
    const RunResult beside =
        run(packaged({"--drop-in", "--pin-file", "-", "--challenge-file", "-"}), {{}, {}, secrets()});
    EXPECT_EQ(beside.exit_code, 0) << beside.out << beside.err;
    EXPECT_EQ(read_file(drop_in()), "# mine\n");
    EXPECT_EQ(read_file(drop_in().parent_path() / "lab-2.conf"), wanted());
    EXPECT_TRUE(fs::exists(main_file()));
}

}  // namespace
}  // namespace hwenroll::test
