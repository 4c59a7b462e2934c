// The command line's side of the socket, against the real server and against one that misbehaves.
#include "agent/control/client.h"

#include <array>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/control/identity_view.h"
#include "agent/control/listener.h"
#include "tests/agent/control/server_thread.h"

namespace hwenroll::test {
namespace {

using namespace std::string_literals;
using control::Client;
using control::ClientOptions;
using std::chrono::milliseconds;
using testing::HasSubstr;

class ControlClient : public testing::Test {
 protected:
    void start() {
        server_ = std::make_unique<ServerThread>(directory_.path());
        server_->do_on_loop([](ControlServiceFake& service, PeerSourceFake&) {
            service.views["web"] = full_view("web");
            service.views["new"] = full_view("new");
            service.views["new"].settled = false;
        });
    }
    Client connect() {
        auto client = Client::connect({.runtime_dir = directory_.path(), .admin_group = "staff"});
        EXPECT_TRUE(client) << client.error().line();
        return *std::move(client);
    }
    void report(const control::IdentityEvent& event) {
        server_->do_on_loop([&](ControlServiceFake& service, PeerSourceFake&) { service.report(event); });
    }

    TemporaryDirectory directory_;
    std::unique_ptr<ServerThread> server_;
};

TEST_F(ControlClient, asks_and_changes) {
    start();
    Client client = connect();
    const auto views = client.status({});
    ASSERT_TRUE(views) << views.error().line();
    EXPECT_EQ(views->size(), 2U);
    EXPECT_TRUE(client.status("web")->front() == full_view("web"));
    EXPECT_TRUE(client.enroll("web")->changed);
    EXPECT_EQ(client.renew("web", true)->text, "begun");
    EXPECT_EQ(client.adopt("web", "PEM")->text, "begun");
    EXPECT_EQ(client.adopt("web", std::string(control::max_adopted_text + 1, 'x')).error().code(),
              ErrorCode::control_protocol);
    EXPECT_TRUE(client.cancel("web"));
    EXPECT_TRUE(client.accept_next("corp", "SHA256:AB"));
    EXPECT_EQ(client.fetch_crl("corp")->text, "begun");
    EXPECT_EQ(client.fetch_certificate("corp", "1F")->certificate, "PEM");
    const auto tests = client.test_keys("web");
    ASSERT_TRUE(tests) << tests.error().line();
    EXPECT_TRUE(*tests == std::vector{full_key_test("web")});
    EXPECT_EQ(client.test_keys({})->size(), 1U);
    EXPECT_EQ(client.test_keys("nobody").error().code(), ErrorCode::unknown_name);
    EXPECT_EQ(client.resume("web")->token, "lab");
    EXPECT_EQ(client.history("web", 2)->size(), 2U);
    EXPECT_EQ(client.history({}, 1)->front().name, "any");
    server_->do_on_loop([](ControlServiceFake& service, PeerSourceFake&) {
        EXPECT_THAT(service.asked,
                    testing::ElementsAre("enroll web", "renew web rekey", "adopt web 3", "cancel web",
                                         "accept-next corp SHA256:AB", "fetch-crl corp", "fetch-certificate corp 1F",
                                         "test-keys web", "test-keys all", "test-keys nobody", "resume web"));
    });
}

TEST_F(ControlClient, puts_the_pages_of_all_identities_together) {
    start();
    server_->do_on_loop([](ControlServiceFake& service, PeerSourceFake&) {
        for (int i = 1000; i < 2000; ++i) {
            service.views[std::to_string(i)] = full_view(std::to_string(i));
        }
    });
    Client client = connect();
    const auto views = client.status({});
    ASSERT_TRUE(views) << views.error().line();
    EXPECT_EQ(views->size(), 1002U);
    const auto metrics = client.metrics();
    ASSERT_TRUE(metrics) << metrics.error().line();
    for (const observe::MetricFamily& family : metrics->families()) {
        EXPECT_EQ(family.samples.size(), family.name == "hwenroll_up"                     ? 1U
                                         : family.name == "hwenroll_consecutive_failures" ? 1002U
                                                                                          : 0U)
            << family.name;
    }
    const auto overview = client.overview();
    ASSERT_TRUE(overview) << overview.error().line();
    EXPECT_TRUE(*overview == control::overview_of(*views));
    server_->do_on_loop([](ControlServiceFake& service, PeerSourceFake&) { service.unreadable = "1500"; });
    EXPECT_EQ(client.status({}).error().code(), ErrorCode::internal);
    EXPECT_EQ(client.overview().error().code(), ErrorCode::internal);
    EXPECT_TRUE(client.status("web")) << "the connection goes on";
}

TEST_F(ControlClient, gives_back_the_agents_errors) {
    start();
    Client client = connect();
    EXPECT_EQ(client.status("nobody").error().code(), ErrorCode::unknown_name);
    EXPECT_EQ(client.enroll("nobody").error().code(), ErrorCode::unknown_name);
    EXPECT_TRUE(client.status("web")) << "the connection goes on";
}

TEST_F(ControlClient, says_who_may_change_things) {
    start();
    server_->do_on_loop([](ControlServiceFake&, PeerSourceFake& peers) { peers.standard = {54321, 1, 1}; });
    Client client = connect();
    EXPECT_TRUE(client.status({}));
    const auto denied = client.renew("web", false);
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code(), ErrorCode::control_denied);
    EXPECT_THAT(denied.error().line(), HasSubstr("member of the group 'root'"));
}

TEST_F(ControlClient, waits_for_events_until_it_has_settled) {
    start();
    Client client = connect();
    std::vector<std::string> seen;
    const auto last = client.wait("new", milliseconds(10'000), [&](const control::IdentityEvent& event) {
        seen.push_back(event.text);
        if (seen.size() == 1) {
            report(sample_event("new", "sent"));
            report(sample_event("new", "rejected", true, ErrorCode::ca_rejected));
        }
    });
    ASSERT_TRUE(last) << last.error().line();
    EXPECT_EQ(last->text, "rejected");
    EXPECT_EQ(last->error, ErrorCode::ca_rejected);
    EXPECT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen.back(), "sent");
    EXPECT_TRUE(client.status({})) << "the connection goes on";
}

TEST_F(ControlClient, waits_no_longer_than_it_is_told_to) {
    start();
    Client client = connect();
    const auto late = client.wait("new", milliseconds(30), [](const control::IdentityEvent&) {});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::wait_timeout);
    EXPECT_THAT(late.error().line(), AllOf(HasSubstr("new: "), HasSubstr("0.03 s")));
    Client monitoring = connect();
    int events = 0;
    EXPECT_TRUE(monitoring.monitor(milliseconds(30), [&](const control::IdentityEvent&) { ++events; }));
    EXPECT_EQ(events, 2);
}

TEST_F(ControlClient, says_how_to_start_an_agent_when_none_listens) {
    const auto never = Client::connect({.runtime_dir = directory_.path()});
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().code(), ErrorCode::control_no_agent);
    EXPECT_EQ(never.error().info().exit_code, 69);
    EXPECT_THAT(never.error().line(), AllOf(HasSubstr("systemctl start hwenrolld'"), HasSubstr("hwenrolld --once")));
    {
        const FileDescriptor dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        control::socket_path(directory_.path()).string().copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    EXPECT_EQ(Client::connect({.runtime_dir = directory_.path()}).error().code(), ErrorCode::control_no_agent);
}

TEST_F(ControlClient, names_the_group_when_it_may_not_open_the_socket) {
    start();
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may become another user";
    }
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(control::socket_path(directory_.path()).c_str(), 0600), 0);  // this process keeps root's group
    ASSERT_EQ(::seteuid(65534), 0);
    const auto denied = Client::connect({.runtime_dir = directory_.path(), .admin_group = "staff"});
    ASSERT_EQ(::seteuid(0), 0);
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code(), ErrorCode::control_denied);
    EXPECT_THAT(denied.error().line(), HasSubstr("member of the group 'staff'"));
}

TEST_F(ControlClient, knows_that_no_agent_listens_on_a_path_that_no_socket_has) {
    const auto client = Client::connect({.runtime_dir = directory_.path() / std::string(120, 'x')});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code(), ErrorCode::control_no_agent);
    EXPECT_THAT(client.error().line(), HasSubstr("shorter 'runtime_dir'"));
    write_file(directory_ / "file", "");
    EXPECT_EQ(Client::connect({.runtime_dir = directory_ / "file"}).error().code(), ErrorCode::control_no_agent);
}

TEST_F(ControlClient, says_so_when_another_kind_of_socket_stands_there) {
    const FileDescriptor other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    control::socket_path(directory_.path()).string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(Client::connect({.runtime_dir = directory_.path()}).error().code(), ErrorCode::control_socket);
}

/// Listens, and does with one client what a test says.
class ScriptedAgent : public testing::Test {
 protected:
    ScriptedAgent() : listener_(*control::Listener::make(directory_.path(), "root")) {}
    ~ScriptedAgent() override {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    /// Accepts, sends `answer` once a call has come, and closes when the client does or, if `vanish`, at once.
    void play(std::string answer, bool vanish = false) {
        thread_ = std::thread([this, answer = std::move(answer), vanish] {
            pollfd entry{listener_.fd(), POLLIN, 0};
            ::poll(&entry, 1, 10'000);
            const FileDescriptor client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
            std::array<char, 4096> buffer{};
            static_cast<void>(::recv(client.get(), buffer.data(), buffer.size(), 0));
            static_cast<void>(::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL));
            while (!vanish && ::recv(client.get(), buffer.data(), buffer.size(), 0) > 0) {
            }
        });
    }
    [[nodiscard]] ClientOptions options() const {
        return {.runtime_dir = directory_.path(), .connect_time = milliseconds(50), .reply_time = milliseconds(50)};
    }
    Result<std::vector<control::IdentityView>> status() {
        auto client = Client::connect(options());
        return client ? client->status({}) : fail(client.error());
    }
    ErrorCode code_after(std::string answer, bool vanish = false) {
        play(std::move(answer), vanish);
        const auto views = status();
        thread_.join();
        EXPECT_FALSE(views);
        return views ? ErrorCode::internal : views.error().code();
    }

    TemporaryDirectory directory_;
    control::Listener listener_;
    std::thread thread_;
};

TEST_F(ScriptedAgent, that_is_silent_is_given_up_at_the_deadline) {
    play("");
    const auto views = status();
    ASSERT_FALSE(views);
    EXPECT_EQ(views.error().code(), ErrorCode::control_deadline);
    EXPECT_EQ(views.error().info().exit_code, 75);
    EXPECT_THAT(views.error().line(), HasSubstr("journal"));
}

TEST_F(ScriptedAgent, that_answers_by_halves_is_given_up_at_the_deadline) {
    EXPECT_EQ(code_after("{\"parameters\":{\"identities\":["), ErrorCode::control_deadline);
}

TEST_F(ScriptedAgent, that_is_silent_after_wait_is_given_up_at_the_deadline_without_any_timeout) {
    play("");
    auto client = Client::connect(options());
    ASSERT_TRUE(client);
    EXPECT_EQ(client->wait("web", {}, [](const control::IdentityEvent&) {}).error().code(),
              ErrorCode::control_deadline);
}

TEST_F(ScriptedAgent, that_takes_no_connections_is_given_up_at_the_deadline) {
    std::vector<FileDescriptor> waiting;  // fill the backlog
    for (int i = 0; i < 1000; ++i) {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        control::socket_path(directory_.path()).string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            break;
        }
        waiting.push_back(std::move(socket));
    }
    const auto client = Client::connect(options());
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code(), ErrorCode::control_deadline);
}

TEST_F(ScriptedAgent, that_ends_before_it_answers_is_none) {
    EXPECT_EQ(code_after("", true), ErrorCode::control_no_agent);
    EXPECT_EQ(code_after("{\"param", true), ErrorCode::control_no_agent);
}

TEST_F(ScriptedAgent, that_answers_nonsense_is_of_another_version) {
    for (const std::string& answer :
         {"HTTP/1.1 400\0"s, "[]\0"s, "{}\0"s, R"({"parameters":{"identities":{}}})"s + '\0',
          R"({"parameters":{"identities":[{}]}})"s + '\0', std::string(60'000, '[') + '\0'}) {
        EXPECT_EQ(code_after(answer), ErrorCode::control_protocol) << answer.substr(0, 50);
    }
}

TEST_F(ScriptedAgent, that_ends_or_is_silent_after_the_first_page_has_not_answered) {
    const std::string page = R"({"parameters":{"identities":[]},"continues":true})"s + '\0';
    EXPECT_EQ(code_after(page, true), ErrorCode::control_no_agent);
    EXPECT_EQ(code_after(page), ErrorCode::control_deadline);
}

TEST_F(ScriptedAgent, that_ends_during_a_wait_is_none) {
    play(R"({"parameters":{"event":{"identity":"web","at":"2026-11-23T18:00:00Z","state":"NEW","text":"x",)"
         R"("settled":false}},"continues":true})"s +
             '\0',
         true);
    auto client = Client::connect(options());
    ASSERT_TRUE(client);
    int events = 0;
    const auto last = client->wait("web", {}, [&](const control::IdentityEvent&) { ++events; });
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code(), ErrorCode::control_no_agent);
    EXPECT_EQ(events, 1);
}

TEST_F(ScriptedAgent, that_has_no_place_left_says_so) {
    EXPECT_EQ(code_after(R"({"error":"io.hwenroll.Agent.TooManyClients","parameters":{}})"s + '\0', true),
              ErrorCode::control_busy);
}

}  // namespace
}  // namespace hwenroll::test
