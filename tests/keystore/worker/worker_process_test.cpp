// hwenroll-token as a process: what it does when either side of its connection fails (invariants 7 and 8).
#include "keystore/worker/worker_process.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "keystore/worker/token_channel.h"
#include "tests/keystore/worker/worker_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string odd_worker_path = hwenroll::test::program("hwenroll-test-odd-worker");

/// Waits for something that another process brings about; the only sign of it is a file or /proc.
bool eventually(const std::function<bool()>& condition) {
    for (const auto until = steady_clock::now() + 20s; steady_clock::now() < until; poll(nullptr, 0, 5)) {
        if (condition()) {
            return true;
        }
    }
    return condition();
}

/// A descriptor that is readable once the process has ended, child of ours or not.
FileDescriptor end_of(pid_t pid) {
    return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

/// An agent in a process of its own that makes a worker, reports its pid and then calls login() and list_keys().
class AgentDeath : public WorkerFixture {
 protected:
    void start_agent(const std::string& rule) {
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        agent_ = fork();
        ASSERT_GE(agent_, 0);
        if (agent_ == 0) {
            const auto token = this->token(rule);
            const auto prepared = token->prepare_login();
            const pid_t worker = prepared ? token->worker_pid() : -1;
            if (write(ends[1], &worker, sizeof worker) == sizeof worker) {
                if (token->login({}).result == LoginOutcome::Result::accepted) {
                    static_cast<void>(token->list_keys());
                }
                pause();
            }
            _exit(1);
        }
        close(ends[1]);
        ASSERT_EQ(read(ends[0], &worker_, sizeof worker_), static_cast<ssize_t>(sizeof worker_));
        close(ends[0]);
        ASSERT_GT(worker_, 0);
    }

    /// How long the worker has outlived its agent.
    [[nodiscard]] steady_clock::duration time_from_the_agents_end_to_the_workers() const {
        const FileDescriptor end = end_of(worker_);
        EXPECT_TRUE(end.valid());
        const auto begin = steady_clock::now();
        kill(agent_, SIGKILL);
        waitpid(agent_, nullptr, 0);
        pollfd ended{end.get(), POLLIN, 0};
        EXPECT_EQ(poll(&ended, 1, 10'000), 1) << "the worker outlives its agent";
        return steady_clock::now() - begin;
    }

    /// C_Login empties the file and writes it anew.
    void expect_written_since(const std::string& before) const {
        EXPECT_NE(token_file(), before) << "the login was cut off before it began";
        EXPECT_GE(token_file().size(), before.size()) << "the login was cut off";
    }

    /// What a login under way gets.
    static constexpr auto grace = 1500ms;
    /// Far more than an end needs, also where two processors serve many tests.
    static constexpr auto long_ago = 10s;

    pid_t agent_ = -1;
    pid_t worker_ = -1;
};

TEST_F(AgentDeath, ends_an_idle_worker) {
    start_agent("");
    ASSERT_TRUE(eventually([this] { return calls("C_FindObjectsFinal") > 0; }));
    EXPECT_LT(time_from_the_agents_end_to_the_workers(), long_ago);
}

TEST_F(AgentDeath, T2_lets_a_login_under_way_end) {
    const std::string before = token_file();
    start_agent("C_Login:1:delay=200");
    ASSERT_TRUE(eventually([this] { return calls("C_Login") == 1; }));
    EXPECT_LT(time_from_the_agents_end_to_the_workers(), long_ago);
    expect_written_since(before);
    log_in(*token());
}

// What ends it at the end of an agent that lives on for a moment.
TEST_F(AgentDeath, X13_so_does_an_interruption) {
    const std::string before = token_file();
    const auto token = this->token("C_Login:1:delay=200");
    std::thread caller([&] { EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::unknown); });
    EXPECT_TRUE(eventually([this] { return calls("C_Login") == 1; }));
    token->interrupt(std::chrono::steady_clock::now());
    caller.join();
    expect_written_since(before);
}

TEST_F(AgentDeath, T3_ends_a_login_that_hangs_after_its_grace) {
    start_agent("C_Login:1:hang");
    ASSERT_TRUE(eventually([this] { return calls("C_Login") == 1; }));
    EXPECT_GE(time_from_the_agents_end_to_the_workers(), grace);
}

TEST_F(AgentDeath, T3_ends_any_other_call_at_once) {
    start_agent("C_FindObjectsInit:1:hang");
    ASSERT_TRUE(eventually([this] { return calls("C_FindObjectsInit") == 1; }));
    EXPECT_LT(time_from_the_agents_end_to_the_workers(), grace);
}

/// A worker of the test's own that breaks the protocol.
class OddWorker : public testing::Test {
 protected:
    static Error describe(const std::string& how, std::chrono::milliseconds deadline = 20s) {
        const Pkcs11Options options{"lab", "/m.so", "pkcs11:", "", {20s, deadline, 20s}};
        WorkerToken token({odd_worker_path, {"HWENROLL_TEST_ODD=" + how}}, options);
        auto described = token.describe();
        EXPECT_FALSE(described);
        EXPECT_EQ(token.worker_pid(), -1) << how;
        return described ? Error(ErrorCode::internal, "no error") : described.error();
    }

    test::TemporaryDirectory directory_;
};

TEST_F(OddWorker, that_makes_no_sense_is_ended) {
    for (const auto* how : {"garbage", "sequence"}) {
        EXPECT_EQ(describe(how).code(), ErrorCode::token_protocol) << how;
    }
    const Error ended = describe("exit");
    EXPECT_EQ(ended.code(), ErrorCode::token_worker);
    EXPECT_THAT(ended.line(), HasSubstr("exited with status 5"));
}

TEST_F(OddWorker, that_says_nothing_or_half_ends_at_the_deadline) {
    EXPECT_EQ(describe("silent", 300ms).code(), ErrorCode::token_deadline);
    EXPECT_EQ(describe("chatty", 300ms).code(), ErrorCode::token_deadline);
}

TEST_F(OddWorker, that_answers_another_question_is_not_believed) {
    WorkerToken token({odd_worker_path, {"HWENROLL_TEST_ODD=kind"}}, Pkcs11Options{"lab", "/m.so", "pkcs11:", "", {}});
    const auto described = token.describe();
    ASSERT_FALSE(described);
    EXPECT_EQ(described.error().code(), ErrorCode::token_protocol);
    EXPECT_EQ(token.worker_pid(), -1) << "it is not asked again";
    EXPECT_FALSE(token.describe());
    EXPECT_FALSE(token.describe());
    EXPECT_THAT(token.describe().error().line(), HasSubstr("3 times in a row"));
}

TEST_F(OddWorker, that_is_not_installed_is_named) {
    WorkerToken token({"/nonexistent/hwenroll-token", {}}, Pkcs11Options{"lab", "/m.so", "pkcs11:", "", {}});
    const auto described = token.describe();
    ASSERT_FALSE(described);
    EXPECT_EQ(described.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(described.error().line(), HasSubstr("/nonexistent/hwenroll-token"));
    EXPECT_THAT(described.error().line(), HasSubstr("No such file"));
}

TEST_F(OddWorker, sees_four_descriptors_and_not_what_systemd_tells_the_agent) {
    const int inherited = memfd_create("inherited", 0);
    setenv("NOTIFY_SOCKET", "/run/notify", 1);
    const std::filesystem::path report = directory_ / "report";
    WorkerToken token({odd_worker_path, {"HWENROLL_TEST_ODD=report", "HWENROLL_TEST_REPORT=" + report.string()}},
                      Pkcs11Options{"lab", "/m.so", "pkcs11:", "", {}});
    EXPECT_FALSE(token.describe());
    unsetenv("NOTIFY_SOCKET");
    close(inherited);
    const std::string text = test::read_file(report);
    EXPECT_THAT(text, HasSubstr("descriptors: 0 1 2 3\n"));
    EXPECT_THAT(text, Not(HasSubstr("NOTIFY_SOCKET")));
    EXPECT_THAT(text, HasSubstr("\nPATH=")) << "the rest of the environment is the agent's";
}

using WorkerProcessTest = WorkerFixture;

TEST_F(WorkerProcessTest, a_worker_serves_one_token_and_only_once_configured) {
    const auto worker = WorkerProcess::start(program(), "token 'lab'").value();
    const auto ask = [&worker](RequestBody body) {
        return worker->exchange(std::move(body), steady_clock::now() + 20s, {"token 'lab'", "testing"}).value();
    };
    EXPECT_EQ(std::get<Error>(ask(DescribeRequest{})).code(), ErrorCode::token_protocol);
    EXPECT_TRUE(std::holds_alternative<Done>(ask(ConfigureRequest{options_})));
    EXPECT_TRUE(std::holds_alternative<TokenDescription>(ask(DescribeRequest{})));
    EXPECT_EQ(std::get<Error>(ask(ConfigureRequest{options_})).code(), ErrorCode::token_protocol);
}

/// hwenroll-token on a socket whose other end the test speaks for itself.
class RawWorker : public testing::Test {
 protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
        socket_ = FileDescriptor(ends[0]);
        pid_ = fork();
        ASSERT_GE(pid_, 0);
        if (pid_ == 0) {
            dup2(ends[1], 3);
            fcntl(3, F_SETFD, 0);
            execl(worker_path.c_str(), worker_path.c_str(), "--fd", "3", nullptr);
            _exit(127);
        }
        close(ends[1]);
    }

    void send_raw(ByteView packet) const {
        ASSERT_EQ(send(socket_.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
    }

    [[nodiscard]] int exit_code() {
        Child child(pid_);
        const auto status = child.wait(steady_clock::now() + 20s);
        return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    }

    FileDescriptor socket_;
    pid_t pid_ = -1;
};

TEST_F(RawWorker, ends_when_a_message_makes_no_sense) {
    send_raw(as_bytes("no packet of ours"));
    EXPECT_EQ(exit_code(), worker_exit_protocol);
}

TEST_F(RawWorker, ends_when_a_request_makes_no_sense) {
    ASSERT_EQ(send_message(socket_.get(), as_bytes("no request"), steady_clock::now() + 20s), Transfer::done);
    EXPECT_EQ(exit_code(), worker_exit_protocol);
}

TEST_F(RawWorker, ends_at_the_end_of_the_connection) {
    socket_.reset();
    EXPECT_EQ(exit_code(), 0);
}

/// A child that stays unreapable after SIGKILL, as one in uninterruptible sleep does: its tracer does not let it go.
class StuckChild : public testing::Test {
 protected:
    void SetUp() override {
        child_ = fork();
        ASSERT_GE(child_, 0);
        if (child_ == 0) {
            for (;;) {
                pause();
            }
        }
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        tracer_ = fork();
        ASSERT_GE(tracer_, 0);
        if (tracer_ == 0) {
            const char traces = ptrace(PTRACE_SEIZE, child_, nullptr, nullptr) == 0 ? 1 : 0;
            while (write(ends[1], &traces, 1) == 1) {
                pause();
            }
            _exit(0);
        }
        close(ends[1]);
        char traces = 0;
        ASSERT_EQ(read(ends[0], &traces, 1), 1);
        close(ends[0]);
        traced_ = traces == 1;
    }
    void TearDown() override {
        end_tracer();
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
    }
    void end_tracer() {
        if (tracer_ > 0) {
            kill(tracer_, SIGKILL);
            waitpid(tracer_, nullptr, 0);
            tracer_ = -1;
        }
    }

    pid_t child_ = -1;
    pid_t tracer_ = -1;
    bool traced_ = false;
};

TEST_F(StuckChild, T3_is_given_up_in_time_and_reaped_later) {
    if (!traced_) {
        GTEST_SKIP() << "this system lets no other process trace a child";
    }
    const auto begin = steady_clock::now();
    {
        Child child(child_);
        EXPECT_FALSE(child.kill());
    }
    EXPECT_LT(steady_clock::now() - begin, 5s);
    end_tracer();
    EXPECT_TRUE(eventually([this] {
        const pid_t other = fork();
        if (other == 0) {
            _exit(0);
        }
        Child(other).kill();
        return kill(child_, 0) != 0;
    })) << "it stays a zombie";
}

TEST(TokenProgram, explains_itself) {
    const auto help = test::run({worker_path, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: hwenroll-token"));
    const auto version = test::run({worker_path, "--version"});
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_THAT(version.out, testing::MatchesRegex("hwenroll-token [0-9.]+\n"));
}

TEST(TokenProgram, refuses_other_command_lines) {
    const std::vector<std::vector<std::string>> all{{},
                                                    {"--fd"},
                                                    {"--fd", "x"},
                                                    {"--fd", "-1"},
                                                    {"--fd", "3", "4"},
                                                    {"--module", "/m.so"},
                                                    {"--help", "--fd"},
                                                    {"--fd", "3", "--pin-keeper"},
                                                    {"--fd", "3", "--pin-keeper", "root"},
                                                    {"--fd", "3", "--user", "0"}};
    for (auto arguments : all) {
        arguments.insert(arguments.begin(), worker_path);
        const auto result = test::run(arguments);
        EXPECT_EQ(result.exit_code, 64);
        EXPECT_THAT(result.err, HasSubstr("E-USAGE"));
    }
}

TEST(TokenProgram, refuses_what_is_no_packet_socket) {
    for (const auto* descriptor : {"0", "3", "99"}) {
        const auto result = test::run({worker_path, "--fd", descriptor});
        EXPECT_EQ(result.exit_code, 77) << descriptor;
        EXPECT_THAT(result.err, HasSubstr("no SOCK_SEQPACKET"));
    }
}

}  // namespace
}  // namespace hwenroll::keystore
