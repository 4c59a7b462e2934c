// Getting to the server at all: N1…N4, N16, HTTP-18; the environment has no say.
#include <arpa/inet.h>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A port of 127.0.0.1 that is bound but does not listen, or listens with a full queue so that a SYN stays unanswered.
class ClosedPort {
 public:
    explicit ClosedPort(bool full_queue) : bound_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        EXPECT_EQ(0, bind(bound_, generic(), size));
        EXPECT_EQ(0, getsockname(bound_, generic(), &size));
        if (full_queue) {
            EXPECT_EQ(0, listen(bound_, 0));
            for (int i = 0; i < 4; ++i) {
                waiting_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
                static_cast<void>(connect(waiting_.back(), generic(), size));
            }
        }
    }
    ClosedPort(const ClosedPort&) = delete;
    ClosedPort& operator=(const ClosedPort&) = delete;
    ~ClosedPort() {
        for (const int fd : waiting_) {
            close(fd);
        }
        close(bound_);
    }

    [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/", ntohs(address_.sin_port)); }

 private:
    sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address_); }

    int bound_;
    sockaddr_in address_{};
    std::vector<int> waiting_;
};

/// Sets a variable of the environment for one test.
class EnvironmentVariable {
 public:
    EnvironmentVariable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
    EnvironmentVariable(const EnvironmentVariable&) = delete;
    EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;
    ~EnvironmentVariable() { unsetenv(name_); }

 private:
    const char* name_;
};

class Reachability : public Exchange {};

TEST_F(Reachability, N3_connection_refused) {
    const ClosedPort port(false);
    const Error error = fetch_error(get(port.url()), ErrorCode::ca_unreachable);
    EXPECT_FALSE(http::closed_without_reply(error));
    EXPECT_THAT(error.line(), HasSubstr(port.url()));
    EXPECT_THAT(error.why(), HasSubstr("connect"));
}

TEST_F(Reachability, N4_an_unanswered_SYN_ends_at_the_connect_timeout) {
    const ClosedPort port(true);
    http::Request request = get(port.url());
    request.limits.connect_timeout = 200ms;
    request.limits.exchange_timeout = 30s;
    const Error error = fetch_error(request, ErrorCode::ca_unreachable);
    EXPECT_FALSE(http::closed_without_reply(error));
}

TEST_F(Reachability, N1_an_unknown_name_is_told_from_a_dead_server) {
    // A label above 63 characters (RFC 1035 §2.3.4) fails in the resolver without a question to any name server.
    const std::string name(70, 'x');
    const Error error = fetch_error(get("http://" + name + ".invalid/"), ErrorCode::ca_unreachable);
    EXPECT_THAT(error.why(), HasSubstr("resolve"));
    EXPECT_THAT(error.why(), HasSubstr(name));
}

TEST_F(Reachability, N16_the_environment_names_no_proxy) {
    const ClosedPort dead(false);
    const EnvironmentVariable lower("http_proxy", dead.url());
    const EnvironmentVariable all("ALL_PROXY", dead.url());
    ScriptedServer server({answer(reply(200, "direct"))});
    const auto response = fetch(get(server.url()));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("direct", as_text(response->body));
}

TEST_F(Reachability, N16_a_configured_proxy_is_used_whatever_no_proxy_says) {
    const EnvironmentVariable except("no_proxy", "*");
    ScriptedServer proxy({answer(reply(200, "by proxy"))});
    http::Request request = get("http://ca.example/scep?operation=GetCACaps");
    request.route.proxy = proxy.url("");
    const auto response = fetch(request);
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("by proxy", as_text(response->body));
    EXPECT_THAT(proxy.requests().at(0), HasSubstr("GET http://ca.example/scep?operation=GetCACaps HTTP/1.1\r\n"));
}

TEST_F(Reachability, N16_a_dead_proxy_is_named) {
    const ClosedPort dead(false);
    http::Request request = get("http://ca.example/scep");
    request.route.proxy = dead.url();
    EXPECT_THAT(fetch_error(request, ErrorCode::ca_unreachable).line(), HasSubstr("'proxy'"));
}

TEST_F(Reachability, N16_a_proxy_that_closes_is_not_a_CA_that_closes) {
    ScriptedServer proxy({{receive()}});
    http::Request request = get("http://ca.example/scep");
    request.route.proxy = proxy.url("");
    EXPECT_FALSE(http::closed_without_reply(fetch_error(request, ErrorCode::ca_interrupted)));
}

TEST_F(Reachability, bind_to_an_address_and_to_an_interface) {
    ScriptedServer server({answer(reply(200, "x"))});
    http::Request request = get(server.url());
    for (const char* bind : {"127.0.0.1", "127.0.0.2", "lo"}) {
        request.route.bind = bind;
        const auto response = fetch(request);
        EXPECT_TRUE(response) << bind << ": " << response.error().line();
    }
    EXPECT_EQ(3U, server.connections());
}

TEST_F(Reachability, bind_to_what_is_not_there) {
    ScriptedServer server({answer(reply(200, "x"))});
    http::Request request = get(server.url());
    request.route.bind = "nosuchif0";
    EXPECT_THAT(fetch_error(request, ErrorCode::ca_unreachable).line(), HasSubstr("'bind'"));
}

}  // namespace
}  // namespace hwenroll::test
