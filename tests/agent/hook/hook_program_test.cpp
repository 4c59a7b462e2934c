// hwenroll-hook as systemd starts it, and its units.
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/agent/hook/packet_server.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

/// What the program answered, printed and exited with.
struct Served {
    std::string answer;
    std::string printed;
    int status = -1;
};

class HookProgram : public testing::Test {
 protected:
    HookProgram() {
        std::filesystem::create_directories(directory_ / "live/web");
        std::filesystem::create_symlink("gen-002", directory_ / "live/web/current");
        write_file(directory_ / "pin", "1234\n", 0600);
        configure("echo ran $HWENROLL_IDENTITY");
    }

    void configure(const std::string& line) const {
        write_file(config(), fmt::format("[agent]\n"
                                         "publish_dir = \"{0}/live\"\n"
                                         "[token.lab]\n"
                                         "type = \"pkcs11\"\n"
                                         "module = \"/usr/lib/module.so\"\n"
                                         "uri = \"pkcs11:token=lab\"\n"
                                         "pin = \"file:{0}/pin\"\n"
                                         "[ca.corp]\n"
                                         "url = \"http://ca.example.com/scep\"\n"
                                         "fingerprint = \"SHA256:{1}\"\n"
                                         "[identity.web]\n"
                                         "ca = \"corp\"\n"
                                         "token = \"lab\"\n"
                                         "subject = \"CN=web\"\n"
                                         "on_change = [[\"/bin/sh\", \"-c\", \"{2}\"]]\n",
                                         directory_.path().string(), std::string(64, 'A'), line));
    }

    [[nodiscard]] std::filesystem::path config() const { return directory_ / "hwenroll.toml"; }

    /// Starts the program as systemd does for a connection: on descriptor 3, with LISTEN_PID and LISTEN_FDS.
    [[nodiscard]] Served serve(const std::string& request, const std::string& user) const {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
        const FileDescriptor ours(ends[0]);
        FileDescriptor theirs(ends[1]);
        const std::string printed = (directory_ / "stderr").string();
        const std::string line =
            fmt::format("LISTEN_PID=$$ LISTEN_FDS=1 exec {} --user {} --config {} --time-out 30 2> {}",
                        program("hwenroll-hook"), user, config().string(), printed);
        EXPECT_EQ(::send(ours.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
        posix_spawn_file_actions_t actions{};
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, theirs.get(), 3);
        std::array<std::string, 3> words{"sh", "-c", line};
        std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
        pid_t pid = -1;
        EXPECT_EQ(::posix_spawn(&pid, "/bin/sh", &actions, nullptr, arguments.data(), environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        theirs.reset();
        Served served;
        std::string answer(8192, '\0');
        const ssize_t size = ::recv(ours.get(), answer.data(), answer.size(), 0);
        served.answer = answer.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        served.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        served.printed = read_file(printed);
        return served;
    }

    [[nodiscard]] Served serve(const std::string& request) const { return serve(request, std::to_string(::geteuid())); }

    TemporaryDirectory directory_;
};

TEST_F(HookProgram, runs_hooks_of_the_configuration_and_prints_their_output_for_the_journal) {
    const Served served = serve("hook 1 web 2");
    EXPECT_EQ(served.answer, "1 succeeded the command exited with status 0");
    EXPECT_EQ(served.printed, "/bin/sh printed:\nran web\nthe command exited with status 0\n");
    EXPECT_EQ(served.status, 0);
}

TEST_F(HookProgram, F7_takes_no_hooks_from_a_file_that_others_may_write) {
    std::filesystem::permissions(config(), std::filesystem::perms(0664));
    const Served served = serve("hook 1 web 2");
    EXPECT_THAT(served.answer, HasSubstr("1 refused E-CONFIG-FILE"));
    EXPECT_THAT(served.printed, HasSubstr("others than its owner may write to it"));
    EXPECT_EQ(served.status, 78);
}

TEST_F(HookProgram, serves_no_other_user) {
    const Served served = serve("hook 1 web 2", std::to_string(::geteuid() + 1));
    EXPECT_THAT(served.answer, HasSubstr("1 refused E-HOOK-REFUSED user"));
    EXPECT_EQ(served.status, 78);
}

TEST_F(HookProgram, refuses_an_identity_that_the_configuration_lacks) {
    EXPECT_THAT(serve("hook 1 mail 2").answer, HasSubstr("root's configuration has no identity 'mail'"));
}

TEST_F(HookProgram, by_hand_says_that_systemd_starts_it) {
    const RunResult result = run({program("hwenroll-hook"), "--user", "root"});
    EXPECT_EQ(result.exit_code, 64);
    EXPECT_THAT(result.err, HasSubstr("enable hwenroll-hook.socket"));
    EXPECT_EQ(run({program("hwenroll-hook"), "--user", "no-such-user"}).exit_code, 64);
}

TEST(HookUnits, are_what_systemd_accepts) {
    if (run({"/bin/sh", "-c", "command -v systemd-analyze"}).exit_code != 0) {
        GTEST_SKIP() << "no systemd-analyze here";
    }
    // The programs are not installed here, so the copies name the ones of this build.
    const TemporaryDirectory directory;
    const std::vector<std::pair<std::string, std::string>> installed{
        {"/usr/libexec/hwenroll/hwenroll-hook", program("hwenroll-hook")},
        {"/usr/sbin/hwenrolld", program("hwenrolld")}};
    for (const char* name : {"hwenroll-hook.socket", "hwenroll-hook@.service", "hwenrolld.service"}) {
        std::string unit = read_file(source_file(std::string("systemd/") + name));
        for (const auto& [path, built] : installed) {
            if (const auto at = unit.find(path); at != std::string::npos) {
                unit.replace(at, path.size(), built);
            }
        }
        write_file(directory / name, unit);
    }
    ChildOptions options;
    options.environment = {"SYSTEMD_UNIT_PATH=" + directory.path().string() + ":"};
    const RunResult result = run({"systemd-analyze", "verify", "--man=no", directory / "hwenroll-hook.socket",
                                  directory / "hwenroll-hook@.service", directory / "hwenrolld.service"},
                                 options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace hwenroll::test
