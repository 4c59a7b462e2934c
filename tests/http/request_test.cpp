// What goes over the wire: HTTP-8, HTTP-9, HTTP-12, HTTP-14, HTTP-17, HTTP-19, SEC-17.
#include <set>

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Request : public Exchange {
 protected:
    /// The one request that the server got.
    static std::string only(const ScriptedServer& server) {
        const auto requests = server.requests();
        EXPECT_EQ(1U, requests.size());
        return requests.empty() ? "" : requests.front();
    }

    static std::set<std::string> fields(const std::string& request) {
        std::set<std::string> lines;
        std::size_t at = request.find("\r\n") + 2;
        while (request.compare(at, 2, "\r\n") != 0) {
            const std::size_t end = request.find("\r\n", at);
            lines.insert(request.substr(at, end - at));
            at = end + 2;
        }
        return lines;
    }
};

TEST_F(Request, HTTP_17_N15_Q_OXI_2_get_has_exactly_these_fields) {
    ScriptedServer server({answer(reply(200, "x"))});
    ASSERT_TRUE(fetch(get(server.url("/cgi-bin/pkiclient.exe?operation=GetCACaps"))));
    const std::string request = only(server);
    EXPECT_EQ(0U, request.find("GET /cgi-bin/pkiclient.exe?operation=GetCACaps HTTP/1.1\r\n")) << request;
    const std::set<std::string> expected{fmt::format("Host: 127.0.0.1:{}", server.port()),
                                         "User-Agent: hwenroll-test/1", "Accept: */*", "Cache-Control: no-cache",
                                         "Pragma: no-cache"};
    EXPECT_EQ(expected, fields(request));
    EXPECT_EQ(request.size(), request.find("\r\n\r\n") + 4) << "no body";
}

TEST_F(Request, HTTP_8_HTTP_9_Q_OXI_2_post_has_exactly_these_fields_and_octets) {
    ScriptedServer server({answer(reply(200, "x"))});
    const Bytes body{0x30, 0x00, 0x0D, 0x0A, 0xFF, 0x00};
    ASSERT_TRUE(fetch(post(server.url("/scep?operation=PKIOperation"), body)));
    const std::string request = only(server);
    EXPECT_EQ(0U, request.find("POST /scep?operation=PKIOperation HTTP/1.1\r\n")) << request;
    const std::set<std::string> expected{fmt::format("Host: 127.0.0.1:{}", server.port()),
                                         "User-Agent: hwenroll-test/1", "Accept: */*",
                                         "Content-Type: application/x-pki-message", "Content-Length: 6"};
    EXPECT_EQ(expected, fields(request));
    EXPECT_EQ(as_text(body), request.substr(request.find("\r\n\r\n") + 4));
}

TEST_F(Request, HTTP_9_Q_NDES_12_a_large_post_waits_for_no_100_and_is_not_chunked) {
    ScriptedServer server({answer(reply(200, "x"))});
    const Bytes body(3U << 20U, 0x5A);  // above libcurl's threshold for Expect
    ASSERT_TRUE(fetch(post(server.url(), body)));
    const std::string request = only(server);
    const auto lines = fields(request);
    EXPECT_EQ(1U, lines.count(fmt::format("Content-Length: {}", body.size())));
    for (const std::string& line : lines) {
        EXPECT_THAT(line, Not(HasSubstr("Expect")));
        EXPECT_THAT(line, Not(HasSubstr("Transfer-Encoding")));
    }
    EXPECT_EQ(as_text(body), request.substr(request.find("\r\n\r\n") + 4));
}

TEST_F(Request, HTTP_8_an_empty_post_says_so) {
    ScriptedServer server({answer(reply(200, "x"))});
    ASSERT_TRUE(fetch(post(server.url(), {})));
    EXPECT_EQ(1U, fields(only(server)).count("Content-Length: 0"));
}

TEST_F(Request, HTTP_11_Q_OXI_2_the_query_goes_out_as_it_is) {
    ScriptedServer server({answer(reply(200, "x"))});
    ASSERT_TRUE(fetch(get(server.url("/a/../b.dll/?x=1&operation=PKIOperation&message=MII%2Fa%2BA%3D%3D"))));
    EXPECT_THAT(only(server),
                HasSubstr("GET /a/../b.dll/?x=1&operation=PKIOperation&message=MII%2Fa%2BA%3D%3D HTTP/1.1"));
}

TEST_F(Request, HTTP_12_a_get_url_above_the_limit_is_not_sent) {
    ScriptedServer server({answer(reply(200, "x"))});
    http::Request request = get(server.url("/scep?operation=PKIOperation&message="));
    request.limits.max_get_url = request.url.size() + 100;
    request.url.append(100, 'A');
    ASSERT_TRUE(fetch(request)) << "the limit itself is allowed";
    request.url.append(1, 'A');
    const Error error = fetch_error(request, ErrorCode::ca_url_too_long);
    EXPECT_THAT(error.line(), HasSubstr("message=…"));
    EXPECT_THAT(error.line(), Not(HasSubstr("AAAA")));
    EXPECT_EQ(1U, server.connections());
}

TEST_F(Request, HTTP_12_the_limit_is_not_for_post) {
    ScriptedServer server({answer(reply(200, "x"))});
    http::Request request = post(server.url(), {1});
    request.limits.max_get_url = 5;
    EXPECT_TRUE(fetch(request));
}

TEST_F(Request, SEC_17_only_http_and_https_urls) {
    for (const char* url :
         {"file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "127.0.0.1/scep", "", " ", "http://",
          "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "dict://127.0.0.1:11/"}) {
        fetch_error(get(url), ErrorCode::config_value);
    }
}

TEST_F(Request, a_content_type_cannot_add_a_field) {
    ScriptedServer server({answer(reply(200, "x"))});
    http::Request request = post(server.url(), {1});
    request.content_type = "text/plain\r\nX-Evil: yes";
    fetch_error(request, ErrorCode::config_value);
    EXPECT_EQ(0U, server.connections());
}

TEST_F(Request, no_cookie_is_returned) {
    ScriptedServer server(
        {{receive(), send(reply(200, "x", "Set-Cookie: a=b; Path=/\r\n")), receive(), send(reply(200, "y"))}});
    ASSERT_TRUE(fetch(get(server.url())));
    ASSERT_TRUE(fetch(get(server.url())));
    EXPECT_THAT(server.requests().at(1), Not(HasSubstr("ookie")));
}

}  // namespace
}  // namespace hwenroll::test
