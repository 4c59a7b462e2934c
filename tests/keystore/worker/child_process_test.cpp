// The support class that starts programs, since every other process test leans on it.
#include "tests/support/child_process.h"

#include <arpa/inet.h>
#include <csignal>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;

TEST(ChildProcess, reports_output_and_status) {
    const auto result = run({"sh", "-c", "cat; echo error >&2; exit 3"}, {{}, {}, "in\n"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_EQ(result.signal, 0);
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.out, "in\n");
    EXPECT_EQ(result.err, "error\n");
}

TEST(ChildProcess, takes_any_amount_of_output) {
    EXPECT_EQ(run({"head", "-c", "3000000", "/dev/zero"}).out.size(), 3'000'000U);
}

TEST(ChildProcess, changes_environment_and_directory) {
    ASSERT_EQ(setenv("HWENROLL_TEST_OLD", "old", 1), 0);
    const TemporaryDirectory directory;
    const auto result = run({"sh", "-c", "echo \"$HWENROLL_TEST_OLD,$HWENROLL_TEST_NEW\"; pwd -P"},
                            {{"HWENROLL_TEST_OLD", "HWENROLL_TEST_NEW=new"}, directory.path(), {}});
    unsetenv("HWENROLL_TEST_OLD");
    EXPECT_EQ(result.out, ",new\n" + std::filesystem::canonical(directory.path()).string() + "\n");
}

TEST(ChildProcess, reports_the_signal_that_ended_it) {
    ChildProcess child({"sleep", "1000"});
    EXPECT_FALSE(child.wait(0ms));
    child.kill(SIGTERM);
    const auto ended = child.wait(10s);
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->signal, SIGTERM);
    EXPECT_EQ(ended->exit_code, -1);
}

TEST(ChildProcess, kills_after_the_timeout_and_with_the_object) {
    EXPECT_TRUE(run({"sleep", "1000"}, {}, 50ms).timed_out);
    pid_t pid = 0;
    {
        const ChildProcess child({"sleep", "1000"});
        pid = child.pid();
    }
    EXPECT_NE(kill(pid, 0), 0);
}

TEST(ChildProcess, that_cannot_start_throws) {
    EXPECT_THROW(ChildProcess({"/nonexistent/program"}), std::runtime_error);
}

TEST(ChildProcess, wait_until_listening_finds_a_server_and_gives_up_without_one) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(server, reinterpret_cast<const sockaddr*>(&address), size), 0);
    ASSERT_EQ(getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_FALSE(wait_until_listening(ntohs(address.sin_port), 30ms));
    ASSERT_EQ(listen(server, 1), 0);
    EXPECT_TRUE(wait_until_listening(ntohs(address.sin_port), 10s));
    close(server);
}

}  // namespace
}  // namespace hwenroll::test
