// The server on real sockets, with clients that behave and clients that do not.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/lab_ca/test_client.h"
#include "tests/lab_ca/test_server.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::TemporaryDirectory;
using testing::HasSubstr;
using testing::StartsWith;
using namespace test;

class HttpServerTest : public testing::Test {
 protected:
    TemporaryDirectory directory_;
    SettableClock clock_;
    std::unique_ptr<LabCa> ca_ = LabCa::open(default_options(directory_.path()), clock_).value();
    ServerThread server_{*ca_};
};

TEST_F(HttpServerTest, SRV_1_enrolls_over_a_socket_and_keeps_the_connection) {
    const ClientIdentity identity = ClientIdentity::make("CN=web01", clock_.now());
    const Bytes message = make_request({}, identity, ca_->certificate(), clock_.now());
    const std::string wire = fmt::format(
        "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n"
        "POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: ca\r\nContent-Type: application/x-pki-message\r\n"
        "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        message.size(), as_text(message));
    const std::string reply = exchange(server_.port(), wire, false);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
    const std::size_t second = reply.find("HTTP/1.1 200 OK", 10);
    ASSERT_NE(second, std::string::npos);
    const std::string body = reply.substr(reply.find("\r\n\r\n", second) + 4);
    EXPECT_EQ(open_reply(as_bytes(body), ca_->certificate(), identity).status(), "0");
}

TEST_F(HttpServerTest, BADC_8_a_post_of_3_MB_is_answered_before_it_is_read) {
    const std::string wire =
        "POST /scep HTTP/1.1\r\nHost: ca\r\nContent-Length: 3145728\r\n\r\n" + std::string(3145728, 'x');
    EXPECT_THAT(exchange(server_.port(), wire), StartsWith("HTTP/1.1 413 "));
    EXPECT_THAT(last_finding_ids(directory_.path()), testing::Contains("HTTP-18"));
}

TEST_F(HttpServerTest, HTTP_9_chunked_requests_are_refused_and_noted) {
    const std::string reply = exchange(
        server_.port(), "POST /scep HTTP/1.1\r\nHost: ca\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 411 "));
    EXPECT_THAT(last_finding_ids(directory_.path()), testing::Contains("HTTP-9"));
}

TEST_F(HttpServerTest, HTTP_9_a_client_that_waits_for_100_is_served) {
    const std::string reply = exchange(
        server_.port(), "POST /scep HTTP/1.1\r\nHost: ca\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
}

TEST_F(HttpServerTest, BADC_senseless_octets_do_not_end_the_server) {
    for (const std::string& wire :
         {std::string("\r\n\r\n"), std::string(70000, 'A'), std::string("GET\r\n\r\n"), std::string(5, '\0'),
          std::string("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab"),  // ends early
          std::string("GET /scep?operation=PKIOperation&message=%%% HTTP/1.1\r\n\r\n"), std::string()}) {
        (void)exchange(server_.port(), wire);
    }
    EXPECT_THAT(exchange(server_.port(), "GET /?operation=GetCACaps HTTP/1.0\r\n\r\n"), HasSubstr("SCEPStandard"));
}

/// Leaves the process without a free descriptor until this object ends.
class NoDescriptors {
 public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        const FileDescriptor lowest_free(open("/dev/null", O_RDONLY | O_CLOEXEC));
        const rlimit none{static_cast<rlim_t>(lowest_free.get()), before_.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
    rlimit before_{};
};

TEST_F(HttpServerTest, without_descriptors_accepting_pauses_for_ticks_and_goes_on_later) {
    using std::chrono::steady_clock;
    const FileDescriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const steady_clock::time_point begin = steady_clock::now();
    {
        const NoDescriptors none;
        connect_to(client, server_.port());
        while (server_.pauses() < 2) {
            ASSERT_LT(steady_clock::now() - begin, std::chrono::seconds(20));
            std::this_thread::yield();
        }
    }
    const std::string reply = exchange(client, "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
    const auto ticks = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - begin).count();
    EXPECT_LE(server_.pauses(), static_cast<std::size_t>(ticks) + 1) << "at most one attempt a tick";
}

TEST(HttpServer, a_taken_port_is_reported) {
    const auto first = HttpServer::listen("127.0.0.1", 0).value();
    const auto second = HttpServer::listen("127.0.0.1", first.port());
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().line(), HasSubstr("Address already in use"));
    EXPECT_FALSE(HttpServer::listen("localhost", 0));
}

}  // namespace
}  // namespace hwenroll::lab_ca
