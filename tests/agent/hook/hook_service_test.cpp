// hwenroll-hook's side, against honest and hostile agents.
#include "agent/hook/hook_service.h"

#include <unistd.h>

#include <gmock/gmock.h>

#include "agent/runtime/hook_run.h"
#include "tests/agent/hook/loop_fixture.h"
#include "tests/agent/hook/packet_server.h"

namespace hwenroll::test {
namespace {

using hook::HookService;
using hook::ServiceOutcome;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

class HookServiceTest : public OnLoop {
 protected:
    void SetUp() override {
        OnLoop::SetUp();
        publish("web", "gen-007");
        publish("mail", "gen-001");
        rules_.peer = ::geteuid();
        rules_.time_out = 30s;
        rules_.request_time_out = 30s;
        rules_.load = [this]() -> Result<config::Configuration> { return configuration_; };
        configuration_.agent.publish_dir = directory_ / "live";
        set_hook("web", "echo $HWENROLL_IDENTITY $HWENROLL_GENERATION $HWENROLL_PATH >> " + log());
        set_hook("mail", "echo mail >> " + log());
        server_ = std::make_unique<PacketServer>(loop(), socket(), [this](FileDescriptor connection) {
            service_ = HookService::start(loop(), std::move(connection), rules_, [this](ServiceOutcome outcome) {
                outcome_ = std::move(outcome);
                loop().stop();
            });
        });
    }

    void publish(const std::string& identity, const std::string& target) {
        std::filesystem::create_directories(directory_ / "live" / identity);
        std::filesystem::create_symlink(target, directory_ / "live" / identity / "current");
    }

    void set_hook(const std::string& identity, const std::string& line) {
        config::IdentitySettings settings;
        settings.name = identity;
        settings.on_change = {{"/bin/sh", "-c", line}};
        configuration_.identities[identity] = settings;
    }

    [[nodiscard]] std::filesystem::path socket() const { return directory_ / "hook"; }
    [[nodiscard]] std::string log() const { return (directory_ / "log").string(); }
    [[nodiscard]] bool anything_ran() const { return std::filesystem::exists(log()); }

    /// Runs until the service is done and returns its answer to `client`.
    std::string answer_to(const PacketClient& client) {
        const auto limit = loop().after(60s, [&] { loop().stop(); });
        EXPECT_TRUE(loop().run());
        return client.receive();
    }

    std::string answer_to(std::string_view request) {
        const PacketClient client(socket());
        client.send(request);
        return answer_to(client);
    }

    config::Configuration configuration_;
    hook::HookRules rules_;
    std::unique_ptr<PacketServer> server_;
    std::unique_ptr<HookService> service_;
    std::optional<ServiceOutcome> outcome_;
};

TEST_F(HookServiceTest, runs_the_hooks_of_roots_configuration) {
    EXPECT_EQ(answer_to("hook 1 web 7"), "1 succeeded the command exited with status 0");
    EXPECT_EQ(read_file(log()), "web 7 " + (directory_ / "live/web/gen-007").string() + "\n");
    ASSERT_TRUE(outcome_ && outcome_->hooks);
    EXPECT_TRUE(outcome_->hooks->succeeded());
}

TEST_F(HookServiceTest, the_agent_learns_the_outcome_over_the_same_connection) {
    set_hook("web", "echo hunter2; exit 3");
    const runtime::HookTask task{"web", 7, "/elsewhere", {{"/bin/touch", (directory_ / "agents").string()}}};
    std::optional<runtime::HookOutcome> outcome;
    const auto run =
        runtime::HookRun::start(loop(), {socket()}, task, [&](runtime::HookOutcome result) { outcome = result; });
    loop().every(1ms, [&] { outcome ? loop().stop() : void(); });
    while (!outcome) {
        ASSERT_TRUE(loop().run());
    }
    EXPECT_FALSE(outcome->succeeded || outcome->unavailable);
    EXPECT_EQ(outcome->text, "'/bin/sh' exited with status 3");
    EXPECT_EQ(outcome->output, "") << "O3: what root's programs print is not for the agent";
    EXPECT_FALSE(std::filesystem::exists(directory_ / "agents")) << "the agent's own commands are never taken";
    EXPECT_THAT(outcome_->hooks->output(), HasSubstr("hunter2"));
}

TEST_F(HookServiceTest, O2_a_hanging_hook_is_ended_and_reported_as_timed_out) {
    rules_.time_out = 100ms;
    set_hook("web", "echo $$ > " + log() + "; sleep inf & sleep inf");
    EXPECT_EQ(answer_to("hook 1 web 7"), "1 timed-out '/bin/sh' did not end in time");
    EXPECT_TRUE(group_ends(read_file(log())));
}

TEST_F(HookServiceTest, O5_all_hooks_run_and_each_failure_is_named) {
    configuration_.identities["web"].on_change = {{"/bin/false"}, {"/bin/sh", "-c", "echo two > " + log()}};
    EXPECT_EQ(answer_to("hook 1 web 7"), "1 failed '/bin/false' exited with status 1");
    EXPECT_EQ(read_file(log()), "two\n");
}

TEST_F(HookServiceTest, hostile_requests_are_refused_and_nothing_is_run) {
    for (const std::string& request :
         {std::string("hook 1 other 7"), std::string("hook 1 web 6"), std::string("hook 1 web 8"),
          std::string("hook 1 ../live/web 7"), std::string("hook 1 web 7\n"), std::string("hook 1 web 07"),
          std::string("hook 1 web 7 /bin/sh"), std::string("hook 1 web -1"), std::string("GET / HTTP/1.1\r\n\r\n"),
          std::string(128, 'h'), std::string(129, 'h'), std::string(100'000, 'h')}) {
        EXPECT_THAT(answer_to(request), StartsWith("1 refused E-HOOK-REFUSED ")) << request.substr(0, 60);
        ASSERT_TRUE(outcome_ && outcome_->refusal);
        EXPECT_EQ(outcome_->refusal->code(), ErrorCode::hook_refused);
        EXPECT_FALSE(outcome_->hooks);
        outcome_.reset();
    }
    EXPECT_FALSE(anything_ran());
}

TEST_F(HookServiceTest, another_user_is_refused_whatever_is_asked) {
    rules_.peer = ::geteuid() + 1;
    EXPECT_THAT(answer_to("hook 1 web 7"), HasSubstr("may not have hooks run"));
    EXPECT_FALSE(anything_ran());
}

TEST_F(HookServiceTest, a_peer_that_says_nothing_is_refused_in_time) {
    rules_.request_time_out = 50ms;
    const PacketClient client(socket());
    EXPECT_THAT(answer_to(client), HasSubstr("no request came in time"));
}

TEST_F(HookServiceTest, a_second_request_on_a_connection_ends_the_first) {
    set_hook("web", "echo $$ > " + log() + ".new; mv " + log() + ".new " + log() + "; sleep inf & sleep inf");
    const PacketClient client(socket());
    client.send("hook 1 web 7");
    client.send("hook 1 mail 1");
    EXPECT_THAT(answer_to(client), HasSubstr("a second request"));
    if (anything_ran()) {  // it may have been ended before it wrote its number
        EXPECT_TRUE(group_ends(read_file(log())));
    }
    EXPECT_FALSE(outcome_->hooks);
}

TEST_F(HookServiceTest, X9_an_agent_that_goes_away_ends_its_hooks) {
    set_hook("web", "echo $$ > " + log() + ".new; mv " + log() + ".new " + log() + "; sleep inf & sleep inf");
    PacketClient client(socket());
    client.send("hook 1 web 7");
    loop().every(1ms, [&] { anything_ran() ? client.close() : void(); });
    const auto limit = loop().after(60s, [&] { loop().stop(); });
    ASSERT_TRUE(loop().run());
    ASSERT_TRUE(outcome_ && outcome_->refusal);
    EXPECT_THAT(outcome_->refusal->line(), HasSubstr("closed the connection"));
    EXPECT_TRUE(group_ends(read_file(log())));
}

TEST_F(HookServiceTest, F1_a_disabled_identity_is_refused_with_its_finding) {
    configuration_.identities.erase("web");
    configuration_.findings.push_back(
        {config::Part::identity, "web", {}, Error(ErrorCode::config_key, "hwenroll.toml:3:1: unknown key 'subjct'")});
    EXPECT_THAT(answer_to("hook 1 web 7"), HasSubstr("unknown key 'subjct'"));
}

TEST_F(HookServiceTest, F4_an_identity_that_has_left_the_configuration_is_refused) {
    configuration_.identities.erase("web");
    EXPECT_THAT(answer_to("hook 1 web 7"), HasSubstr("root's configuration has no identity 'web'"));
}

TEST_F(HookServiceTest, a_configuration_that_cannot_be_trusted_is_refused_with_its_error) {
    rules_.load = []() -> Result<config::Configuration> { return fail(ErrorCode::config_file, "everybody writes"); };
    EXPECT_THAT(answer_to("hook 1 web 7"), StartsWith("1 refused E-CONFIG-FILE everybody writes"));
}

TEST_F(HookServiceTest, F7_no_link_and_no_odd_target_is_followed_to_a_generation) {
    const auto live = directory_ / "live";
    EXPECT_EQ(hook::current_generation(live, "web").value_or(0), 7U);
    std::filesystem::create_symlink("web", live / "alias");
    EXPECT_FALSE(hook::current_generation(live, "alias"));
    EXPECT_FALSE(hook::current_generation(live, "absent"));
    EXPECT_FALSE(hook::current_generation(directory_ / "nowhere", "web"));
    for (const char* target : {"../mail/gen-007", "/gen-007", "gen-7", "gen-007/", "gen--07", "gen-"}) {
        std::filesystem::remove(live / "web/current");
        std::filesystem::create_symlink(target, live / "web/current");
        EXPECT_FALSE(hook::current_generation(live, "web")) << target;
    }
    std::filesystem::remove(live / "web/current");
    std::filesystem::create_directory(live / "web/current");
    const auto refused = hook::current_generation(live, "web");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::hook_refused);
}

TEST_F(HookServiceTest, a_stream_socket_is_refused) {
    std::array<int, 2> ends{-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    const FileDescriptor other(ends[1]);
    const ServiceOutcome outcome = wait_for<ServiceOutcome>([&](std::function<void(ServiceOutcome)> done) {
        service_ = HookService::start(loop(), FileDescriptor(ends[0]), rules_, std::move(done));
    });
    ASSERT_TRUE(outcome.refusal);
    EXPECT_THAT(outcome.refusal->line(), HasSubstr("no SOCK_SEQPACKET socket"));
}

}  // namespace
}  // namespace hwenroll::test
