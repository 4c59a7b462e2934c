// A running agent whose token is a service behind a socket (docs/token-services.md).
#include "tests/support/token_service.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

/// Whether any thread of `parent` has a child.
bool has_children(pid_t parent) {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task")) {
        pid_t child = 0;
        if (std::ifstream(thread.path() / "children") >> child) {
            return true;
        }
    }
    return false;
}

/// The PIN is a credential of the service, and nowhere in the agent's configuration.
class ServedDaemon : public testing::Test {
 protected:
    ServedDaemon() {
        world_.configure({.pin = "credential:lab.pin"});
        std::filesystem::create_directory(credentials());
        std::filesystem::copy_file(world_.pin_path(), credentials() / "lab.pin");
        service_ =
            std::make_unique<TokenService>(world_.directory() / "run" / "token" / "lab",
                                           std::vector<std::string>{"CREDENTIALS_DIRECTORY=" + credentials().string()});
    }

    void enroll() {
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    [[nodiscard]] std::filesystem::path credentials() const { return world_.directory() / "credentials"; }

    DaemonWorld world_{{"--lifetime", std::to_string(120 * 86400), "--backdate", "0", "--renewal", "both"}};
    std::unique_ptr<TokenService> service_;
};

TEST_F(ServedDaemon, TOK_1_enrolls_with_a_pin_from_the_services_credential) {
    enroll();
    world_.expect_published(world_.now());
    EXPECT_FALSE(has_children(world_.daemon().pid())) << "a worker of the agent's own";
    EXPECT_GE(service_->workers().size(), 1U);
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_EQ(world_.stop_daemon(), 0);
    EXPECT_THAT(world_.daemon().err(), Not(HasSubstr("canary")));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (service_->ends().size() < service_->workers().size() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(service_->ends().size(), service_->workers().size()) << "a worker outlives the agent";
}

TEST_F(ServedDaemon, T2_renews_at_once_after_an_idle_worker_was_killed) {
    enroll();
    world_.eventually("a worker's number", [&] { return !service_->workers().empty(); });
    const auto before = service_->workers();
    kill(before.back(), SIGKILL);
    world_.eventually("its end", [&] { return service_->ends().size() == before.size(); });
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    EXPECT_GT(service_->workers().size(), before.size());
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_FALSE(world_.said("E-TOKEN")) << world_.daemon().err();
    EXPECT_EQ(world_.stop_daemon(), 0);
}

// Design, "Programs": the packaged default is the service; one that is not there leaves the child, and so does --once.
TEST_F(ServedDaemon, once_has_a_child_which_refuses_the_credential) {
    const RunResult once = world_.once();
    EXPECT_EQ(once.exit_code, 77) << once.err;
    EXPECT_THAT(once.err, HasSubstr("the PIN of token 'lab' cannot come from a credential"));
    EXPECT_THAT(once.err, HasSubstr("enable hwenroll-token@lab.socket"));
    EXPECT_TRUE(service_->workers().empty());
}

TEST_F(ServedDaemon, takes_a_socket_up_that_comes_later) {
    service_->stop();
    std::filesystem::remove(world_.directory() / "run" / "token" / "lab");
    world_.start_daemon();
    world_.eventually("the refusal", [&] { return world_.said("cannot come from a credential"); });
    service_ =
        std::make_unique<TokenService>(world_.directory() / "run" / "token" / "lab",
                                       std::vector<std::string>{"CREDENTIALS_DIRECTORY=" + credentials().string()});
    EXPECT_EQ(world_.command({"resume", "web"}).exit_code, 0);
    world_.eventually("the enrollment", [&] {
        world_.advance(Seconds(30));
        return world_.word() == "OK";
    });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
