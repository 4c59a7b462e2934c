// What a client of the control socket may cost, over real sockets: frames, places, time.
#include <unistd.h>

#include <gmock/gmock.h>

#include "agent/control/message.h"
#include "agent/control/peer.h"
#include "tests/agent/control/server_fixture.h"
#include "tests/support/child_process.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ControlLimits : public ServerFixture {};

TEST_F(ControlLimits, H13_a_user_has_as_many_clients_as_it_may_and_others_beside) {
    peers_.standard = {4711, 4711, 1};
    std::vector<std::unique_ptr<RawClient>> clients;
    const auto is_served = [&] {
        clients.push_back(std::make_unique<RawClient>(path()));
        return ask(*clients.back(), "Status").contains("parameters") && !clients.back()->ended();
    };
    const auto is_turned_away = [&] {
        RawClient client(path());
        return answer(client)["error"] == "io.hwenroll.Agent.TooManyClients" && ends(client);
    };
    for (int i = 0; i < 8; ++i) {
        EXPECT_TRUE(is_served()) << i;
    }
    EXPECT_TRUE(is_turned_away());
    peers_.standard = {4712, 4711, 1};  // another user of the same group
    EXPECT_TRUE(is_served());
    peers_.standard = {0, 0, 1};
    for (int i = 0; i < 9; ++i) {  // root is not counted
        EXPECT_TRUE(is_served()) << i;
    }
    clients.erase(clients.begin());
    ASSERT_TRUE(loop_.run([&] { return server_->clients() == 17; }));
    peers_.standard = {4711, 4711, 1};
    EXPECT_TRUE(is_served());
    EXPECT_TRUE(is_turned_away());
}

TEST_F(ControlLimits, H13_are_those_that_the_documents_name) {
    const control::ServerOptions options;
    EXPECT_EQ(options.max_clients, 32U);
    EXPECT_EQ(options.max_clients_of_user, 8U);
    EXPECT_EQ(options.max_request, 65536U);
    EXPECT_EQ(options.patience, std::chrono::seconds(30));
    EXPECT_EQ(control::max_nesting, 16U);
    const std::string head = R"({"method":"io.hwenroll.Agent.Status","x":")";
    RawClient good(path());
    good.send(head + std::string(65536 - head.size() - 2, 'x') + "\"}" + '\0');
    EXPECT_TRUE(answer(good)["parameters"].contains("identities"));
    RawClient large(path());
    large.send(head + std::string(65536 - head.size() - 1, 'x') + "\"}" + '\0');
    EXPECT_EQ(answer(large)["error"], "io.hwenroll.Agent.BadFrame");
    EXPECT_TRUE(ends(large));
    const auto nested = [](int depth) {
        return R"({"method":"io.hwenroll.Agent.Status","x":)" + std::string(static_cast<std::size_t>(depth) - 1, '[') +
               std::string(static_cast<std::size_t>(depth) - 1, ']') + "}" + '\0';
    };
    RawClient deep(path());
    deep.send(nested(16));
    EXPECT_TRUE(answer(deep)["parameters"].contains("identities"));
    deep.send(nested(17));
    const json refused = answer(deep);
    EXPECT_EQ(refused["error"], "io.hwenroll.Agent.BadFrame");
    EXPECT_THAT(refused["parameters"]["reason"].get<std::string>(), HasSubstr("deeper than 16 levels"));
    EXPECT_TRUE(ends(deep));
}

TEST_F(ControlLimits, H13_a_client_that_sends_nothing_in_time_is_ended) {
    start({.patience = std::chrono::seconds(30)});
    RawClient silent(path());
    RawClient client(path());
    EXPECT_TRUE(ask(client, "Status").contains("parameters"));
    ASSERT_EQ(server_->clients(), 2U);
    loop_.pass(std::chrono::seconds(20));
    EXPECT_TRUE(ask(client, "Status").contains("parameters"));
    loop_.pass(std::chrono::seconds(10));
    EXPECT_TRUE(ends(silent));
    EXPECT_EQ(server_->clients(), 1U) << "each answer is followed by a new 30 s";
    loop_.pass(std::chrono::seconds(20));
    EXPECT_TRUE(ends(client));
    EXPECT_THAT(log_, testing::IsEmpty()) << "nothing is wrong about that";
}

TEST_F(ControlLimits, H13_a_client_that_does_not_complete_its_call_in_time_is_ended) {
    RawClient slow(path());
    const std::string call = R"({"method":"io.hwenroll.Agent.Status"})";
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(server_->clients(), i == 0 ? 0U : 1U);
        slow.send(call.substr(static_cast<std::size_t>(i), 1));
        loop_.settle();
        loop_.pass(std::chrono::seconds(9));
    }
    EXPECT_TRUE(ends(slow)) << "a letter now and then is not enough";
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_EQ(log_[0].text, "control: dropped the client of uid 0, pid 4242, which did not complete its call in time");
}

TEST_F(ControlLimits, H13_a_client_that_does_not_read_in_time_is_ended_and_one_that_does_is_not) {
    start({.max_kernel_buffer = 4096});
    for (int i = 0; i < 100; ++i) {
        service_.views["id" + std::to_string(i)] = full_view("id" + std::to_string(i));
    }
    RawClient client(path());
    for (int calls = 0; calls < 40; ++calls) {
        client.call("Status");
    }
    loop_.settle();
    for (int i = 0; i < 4; ++i) {
        loop_.pass(std::chrono::seconds(20));
        EXPECT_EQ(answer(client)["parameters"]["identities"].size(), 101U) << "it reads, if slowly";
        loop_.settle();
    }
    ASSERT_EQ(server_->clients(), 1U);
    loop_.pass(std::chrono::seconds(30));
    EXPECT_EQ(server_->clients(), 0U);
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_THAT(log_[0].text, HasSubstr("which does not read"));
}

TEST_F(ControlLimits, H13_a_client_that_is_answered_later_is_waited_for) {
    service_.adopts_later = true;
    RawClient adopting(path());
    adopting.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    RawClient watching(path());
    EXPECT_TRUE(ask(watching, "Monitor", json::object(), true).contains("parameters"));
    ASSERT_TRUE(loop_.run([&] { return service_.adopting.size() == 1; }));
    loop_.pass(std::chrono::hours(1));
    ASSERT_EQ(server_->clients(), 2U);
    service_.adopting[0](control::Acceptance{true, "adopted"});
    EXPECT_EQ(answer(adopting)["parameters"]["text"], "adopted");
    loop_.pass(std::chrono::seconds(30));
    EXPECT_TRUE(ends(adopting));
    EXPECT_EQ(server_->clients(), 1U);
}

TEST_F(ControlLimits, H13_a_users_clients_are_counted_by_what_the_kernel_says) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may become another user";
    }
    server_.reset();
    control::KernelPeers kernel;
    auto server = control::Server::listen({.runtime_dir = directory_.path(), .admin_group = "nogroup"}, loop_, service_,
                                          kernel, [this](const observe::LogRecord& record) { log_.push_back(record); });
    ASSERT_TRUE(server) << server.error().line();
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0711));
    // A letter for each of ten connections, which stay open: answered, or turned away.
    const std::string script = R"(
        use IO::Socket::UNIX;
        for (1 .. 10) {
            my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection: $!";
            $socket->syswrite("{\"method\":\"org.varlink.service.GetInfo\"}\0");
            $socket->sysread(my $reply, 65536) or die "no answer";
            print $reply =~ /TooManyClients/ ? "-" : $reply =~ /hwenrolld/ ? "+" : "?";
            push @open, $socket;
        })";
    ChildProcess nobody(
        {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "perl", "-e", script, path().string()},
        {});
    std::optional<ChildExit> ended;
    ASSERT_TRUE(loop_.run([&] { return (ended = nobody.wait(std::chrono::milliseconds(1))).has_value(); }));
    EXPECT_EQ(ended->exit_code, 0) << nobody.err();
    EXPECT_EQ(nobody.out(), "++++++++--");
}

}  // namespace
}  // namespace hwenroll::test
