// A token behind hwenroll-token@NAME.socket: the guarantees of WorkerToken with a worker that is no child.
#include "tests/support/token_service.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/keystore/worker/worker_fixture.h"
#include "tests/support/child_process.h"

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;

/// DER DigestInfo of a SHA-256 value (RFC 8017 §9.2).
Bytes digest_info(ByteView message) {
    Bytes info = *from_hex("3031300d060960864801650304020105000420");
    const Bytes digest = sha256(message);
    info.insert(info.end(), digest.begin(), digest.end());
    return info;
}

bool eventually(const std::function<bool()>& condition) {
    for (const auto until = steady_clock::now() + 20s; steady_clock::now() < until; poll(nullptr, 0, 5)) {
        if (condition()) {
            return true;
        }
    }
    return condition();
}

/// All threads of the process are stopped: SIGSTOP reaches one, which stops the others when it runs next.
bool is_stopped(pid_t pid) {
    const std::filesystem::directory_iterator threads(fmt::format("/proc/{}/task", pid));
    return std::all_of(begin(threads), end(threads), [](const auto& thread) {
        const std::string stat = test::read_file(thread.path() / "stat");
        return stat.substr(stat.rfind(')') + 1).starts_with(" T");
    });
}

class TokenServiceTest : public WorkerFixture {
 protected:
    /// The PIN is a credential of the service.
    void SetUp() override {
        WorkerFixture::SetUp();
        std::filesystem::create_directory(credentials());
        test::write_file(credentials() / "lab.pin", std::string(canary_pin) + "\n", 0400);
        options_.pin = "credential:lab.pin";
    }

    [[nodiscard]] std::filesystem::path credentials() const { return softhsm_.directory() / "credentials"; }
    [[nodiscard]] std::filesystem::path services() const { return softhsm_.directory() / "token"; }

    /// The service, whose module breaks calls by `rule`.
    [[nodiscard]] std::unique_ptr<test::TokenService> service(const std::string& rule = {}) const {
        auto environment = program(rule).environment;
        environment.push_back("CREDENTIALS_DIRECTORY=" + credentials().string());
        return std::make_unique<test::TokenService>(services() / "lab", environment);
    }

    /// A token that finds it; a child would not start.
    [[nodiscard]] std::unique_ptr<WorkerToken> served() const {
        return std::make_unique<WorkerToken>(WorkerProgram{"/nonexistent/hwenroll-token", {}, services()}, options_);
    }

    [[nodiscard]] Result<Bytes> sign(WorkerToken& token, const KeyReference& key) const {
        return token.sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    }

    /// Of the only one so far, which may be noted after it has begun to serve.
    static pid_t the_worker_of(const test::TokenService& service) {
        EXPECT_TRUE(eventually([&] { return service.workers().size() == 1; }));
        return service.workers().at(0);
    }

    /// Made by a child, from a PIN in a file.
    [[nodiscard]] KeyReference key_made_before() {
        const std::string credential = std::exchange(options_.pin, softhsm_.pin_file(canary_pin));
        KeyReference key = make_key();
        options_.pin = credential;
        return key;
    }
};

TEST_F(TokenServiceTest, does_what_a_child_does_with_a_pin_from_a_credential) {
    const auto key = key_made_before();
    const auto service = this->service();
    const auto token = served();
    ASSERT_TRUE(token->describe()) << token->describe().error().line();
    const auto login = try_login(*token);
    ASSERT_EQ(login.result, LoginOutcome::Result::accepted) << login.error->line();
    EXPECT_FALSE(login.source) << "a credential has no identity";
    EXPECT_TRUE(token->logged_in());
    EXPECT_EQ(token->worker_pid(), -1) << "it is systemd's";
    ASSERT_TRUE(sign(*token, key));
    EXPECT_TRUE(token->find(key_id_).value());
    EXPECT_TRUE(eventually([&] { return service->workers().size() == 2; })) << "one for describe(), one for the login";
}

TEST_F(TokenServiceTest, T8_every_login_has_a_worker_of_its_own) {
    const auto service = this->service();
    const auto token = served();
    for (int round = 0; round < 3; ++round) {
        log_in(*token);
    }
    EXPECT_TRUE(eventually([&] { return service->workers().size() == 3; }));
    const auto ends = service->ends();
    EXPECT_EQ(ends, std::vector<int>(ends.size(), 0)) << "in good order";
}

TEST_F(TokenServiceTest, T2_a_crash_costs_one_use_and_the_next_login_has_a_new_worker) {
    const auto key = key_made_before();
    const auto service = this->service("C_Sign:1:crash");
    const auto token = served();
    log_in(*token);
    const auto lost = sign(*token, key);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(lost.error().line(), HasSubstr("'lab' ended while signing (hwenroll-token@lab.service closed the"));
    EXPECT_THAT(lost.error().line(), HasSubstr("systemctl status hwenroll-token@lab.service"));
    EXPECT_FALSE(token->logged_in());
    log_in(*token);
    EXPECT_TRUE(sign(*token, key));
}

TEST_F(TokenServiceTest, T2_three_ends_in_a_row_stop_it) {
    const auto service = this->service("C_GetSlotList:*:crash");
    const auto token = served();
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(token->describe().error().code(), ErrorCode::token_worker);
    }
    EXPECT_TRUE(token->exhausted());
    EXPECT_THAT(token->describe().error().line(), HasSubstr("3 times in a row"));
    EXPECT_TRUE(eventually([&] { return service->ends().size() == 3; }));
}

TEST_F(TokenServiceTest, T3_a_hang_ends_at_the_deadline_on_both_sides) {
    const auto key = key_made_before();
    options_.deadlines.use = 1000ms;
    const auto service = this->service("C_Sign:1:hang");
    const auto token = served();
    log_in(*token);
    const auto begin = steady_clock::now();
    const auto late = sign(*token, key);
    const auto took = steady_clock::now() - begin;
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::token_deadline) << late.error().line();
    EXPECT_THAT(late.error().line(), HasSubstr("the connection to hwenroll-token@lab.service was closed"));
    EXPECT_GE(took, 1000ms);
    EXPECT_LT(took, 3s);
    ASSERT_TRUE(eventually([&] { return service->ends().size() == 1; })) << "the worker hangs on";
    log_in(*token);
    EXPECT_TRUE(sign(*token, key));
}

// Nobody but root could kill it: the agent is another user.
TEST_F(TokenServiceTest, T3_a_worker_that_cannot_end_itself_costs_the_deadline_and_no_more) {
    const auto key = key_made_before();
    const auto service = this->service();
    options_.deadlines.use = 1000ms;
    const auto token = served();
    log_in(*token);
    const pid_t stopped = the_worker_of(*service);
    ASSERT_EQ(kill(stopped, SIGSTOP), 0);
    ASSERT_TRUE(eventually([stopped] { return is_stopped(stopped); }));
    auto begin = steady_clock::now();
    EXPECT_EQ(sign(*token, key).error().code(), ErrorCode::token_deadline);
    EXPECT_LT(steady_clock::now() - begin, 3s);
    options_.deadlines.login = 500ms;
    begin = steady_clock::now();
    EXPECT_EQ(served()->prepare_login().error().code(), ErrorCode::token_deadline) << "it waits in the queue";
    EXPECT_LT(steady_clock::now() - begin, 2500ms);
    ASSERT_EQ(kill(stopped, SIGCONT), 0);
    options_.deadlines = {20s, 20s, 60s};
    const auto patient = served();
    log_in(*patient);
    EXPECT_TRUE(sign(*patient, key));
}

TEST_F(TokenServiceTest, a_login_that_is_abandoned_ends_the_worker_that_has_read_the_pin) {
    const auto service = this->service();
    const auto token = served();
    ASSERT_TRUE(token->prepare_login());
    token->abandon_login();
    EXPECT_TRUE(eventually([&] { return service->ends().size() == 1; }));
    log_in(*token);
}

TEST_F(TokenServiceTest, X13_an_interruption_ends_a_call_and_the_worker) {
    const auto service = this->service("C_GetSlotList:1:hang");
    const auto token = served();
    std::thread caller([&] {
        const auto described = token->describe();
        ASSERT_FALSE(described);
        EXPECT_EQ(described.error().code(), ErrorCode::token_worker) << described.error().line();
    });
    EXPECT_TRUE(eventually([&] { return calls("C_GetSlotList") == 1; }));
    token->interrupt(std::chrono::steady_clock::now());
    caller.join();
    EXPECT_TRUE(eventually([&] { return service->ends().size() == 1; }));
    EXPECT_THAT(token->describe().error().line(), HasSubstr("the agent is stopping"));
}

TEST_F(TokenServiceTest, the_end_of_an_agent_ends_its_worker) {
    const auto service = this->service("C_Login:1:hang");
    const pid_t agent = fork();
    ASSERT_GE(agent, 0);
    if (agent == 0) {
        try_login(*served());
        _exit(0);
    }
    EXPECT_TRUE(eventually([&] { return calls("C_Login") == 1; }));
    kill(agent, SIGKILL);
    waitpid(agent, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return service->ends().size() == 1; }));
}

TEST_F(TokenServiceTest, SIGTERM_ends_a_worker_between_two_requests) {
    const auto key = key_made_before();
    const auto service = this->service();
    const auto token = served();
    log_in(*token);
    kill(the_worker_of(*service), SIGTERM);
    EXPECT_TRUE(eventually([&] { return service->ends() == std::vector<int>{0}; }));
    EXPECT_TRUE(token->logged_in()) << "nobody has looked";
    token->notice_end();
    EXPECT_FALSE(token->logged_in());
    log_in(*token);
    token->notice_end();
    EXPECT_TRUE(token->logged_in());
    EXPECT_TRUE(sign(*token, key));
}

TEST_F(TokenServiceTest, SIGTERM_lets_a_request_finish) {
    options_.deadlines.use = 1500ms;
    const auto service = this->service("C_GetSlotList:1:hang");
    const auto token = served();
    std::thread caller([&] { EXPECT_EQ(token->describe().error().code(), ErrorCode::token_deadline); });
    EXPECT_TRUE(eventually([&] { return calls("C_GetSlotList") == 1; }));
    kill(the_worker_of(*service), SIGTERM);
    caller.join();
    EXPECT_TRUE(eventually([&] { return service->ends().size() == 1; }));
}

TEST_F(TokenServiceTest, that_does_not_listen_is_named_with_its_socket) {
    service()->stop();
    const auto described = served()->describe();
    ASSERT_FALSE(described);
    EXPECT_EQ(described.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(described.error().line(), HasSubstr("nobody listens there"));
    EXPECT_THAT(described.error().line(), HasSubstr("systemctl status hwenroll-token@lab.socket"));
}

TEST_F(TokenServiceTest, that_is_not_there_is_no_hindrance_for_a_child) {
    options_.pin = softhsm_.pin_file(canary_pin);
    WorkerProgram children = program();
    children.services = services();
    WorkerToken token(children, options_);
    log_in(token);
    EXPECT_GT(token.worker_pid(), 0);
}

TEST_F(TokenServiceTest, whose_path_is_too_long_is_named) {
    const auto far = WorkerProcess::connect(std::filesystem::path("/run") / std::string(200, 'x'), "token 'lab'");
    ASSERT_FALSE(far);
    EXPECT_THAT(far.error().line(), HasSubstr("the path is too long"));
}

TEST_F(TokenServiceTest, of_another_user_is_not_believed) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "only root can be somebody else for a moment";
    }
    std::filesystem::permissions(softhsm_.directory().path(), std::filesystem::perms::all);
    const int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (softhsm_.directory() / "foreign").string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // SO_PEERCRED of the agent's end is who called listen(2).
    ASSERT_EQ(seteuid(12345), 0);
    EXPECT_EQ(bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listening, 1), 0);
    ASSERT_EQ(seteuid(0), 0);
    const auto foreign = WorkerProcess::connect(path, "token 'lab'");
    close(listening);
    ASSERT_FALSE(foreign);
    EXPECT_THAT(foreign.error().line(), HasSubstr("user 12345 listens there"));
}

TEST_F(TokenServiceTest, serves_no_other_user) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "only root can be somebody else for a moment";
    }
    const auto service = this->service();
    std::filesystem::permissions(softhsm_.directory().path(), std::filesystem::perms::all);
    std::filesystem::permissions(services() / "lab", std::filesystem::perms::all);
    const pid_t other = fork();
    ASSERT_GE(other, 0);
    if (other == 0) {
        if (setreuid(12345, 12345) != 0) {
            _exit(2);
        }
        const auto described = served()->describe();
        _exit(!described && described.error().code() == ErrorCode::token_worker ? 0 : 1);
    }
    int status = -1;
    waitpid(other, &status, 0);
    EXPECT_EQ(status, 0);
    ASSERT_TRUE(eventually([&] { return service->ends().size() == 1; }));
    EXPECT_EQ(WEXITSTATUS(service->ends().front()), worker_exit_denied);
    EXPECT_EQ(calls("C_Initialize"), 0U);
}

/// hwenroll-token as systemd might start it wrongly.
TEST(TokenServiceProgram, says_what_it_was_not_given) {
    const auto alone = test::run({worker_path, "--user", "root"});
    EXPECT_EQ(alone.exit_code, worker_exit_denied);
    EXPECT_THAT(alone.err, HasSubstr("it was not given one socket"));
    EXPECT_THAT(alone.err, HasSubstr("enable hwenroll-token@NAME.socket"));
    const auto of_another = test::run({worker_path, "--user", "root"}, {{"LISTEN_PID=1", "LISTEN_FDS=1"}, {}, {}});
    EXPECT_EQ(of_another.exit_code, worker_exit_denied);
}

/// The exit status and the words of hwenroll-token with `descriptor` as its third.
std::pair<int, std::string> run_with(int descriptor, const std::string& user) {
    const test::TemporaryDirectory directory;
    const std::string said = (directory / "said").string();
    const pid_t worker = fork();
    if (worker == 0) {
        dup2(descriptor, 3);
        fcntl(3, F_SETFD, 0);
        dup2(open(said.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDERR_FILENO);
        setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
        setenv("LISTEN_FDS", "1", 1);
        execl(worker_path.c_str(), worker_path.c_str(), "--user", user.c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    waitpid(worker, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::read_file(said)};
}

TEST(TokenServiceProgram, refuses_another_socket_and_an_unknown_user) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    const auto [connected, why] = run_with(ends[0], "root");
    EXPECT_EQ(connected, worker_exit_denied);
    EXPECT_THAT(why, HasSubstr("Accept=no"));
    close(ends[0]);
    close(ends[1]);
    const int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ASSERT_EQ(listen(listening, 1), -1) << "it has no name yet";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;  // the kernel chooses an abstract name
    ASSERT_EQ(bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)), 0);
    ASSERT_EQ(listen(listening, 1), 0);
    const auto [unknown, said] = run_with(listening, "no-such-user");
    EXPECT_EQ(unknown, worker_exit_usage);
    EXPECT_THAT(said, HasSubstr("there is no user 'no-such-user'"));
    const auto begin = steady_clock::now();
    EXPECT_EQ(run_with(listening, "root").first, 0) << "nobody connects";
    EXPECT_LT(steady_clock::now() - begin, 10s);
    close(listening);
}

}  // namespace
}  // namespace hwenroll::keystore
