// HTTP-16, BAD-8, BAD-9, BAD-10, BAD-140, N10; POST is never redirected (design, limits).
#include "transport/http/redirect.h"

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using http::must_follow;
using testing::HasSubstr;
using testing::Not;

constexpr auto get_method = http::Request::Method::get;
constexpr auto post_method = http::Request::Method::post;

std::string moved(int status, const std::string& location) {
    return reply(status, "moved", fmt::format("Location: {}\r\n", location));
}

TEST(MustFollow, HTTP_16_the_same_or_a_stronger_scheme) {
    for (const int status : {301, 302, 303, 307, 308}) {
        EXPECT_TRUE(must_follow({get_method, status, "http://a/x", "http://b/y", 0}, 3).value());
        EXPECT_TRUE(must_follow({get_method, status, "http://a/x", "https://b/y", 0}, 3).value());
        EXPECT_TRUE(must_follow({get_method, status, "https://a/x", "https://b/y", 2}, 3).value());
    }
}

TEST(MustFollow, BAD_10_never_from_https_to_http) {
    const auto verdict = must_follow({get_method, 301, "https://a/x", "http://a/x", 0}, 3);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(ErrorCode::ca_redirect, verdict.error().code());
    EXPECT_THAT(verdict.error().line(), HasSubstr("http://a/x"));
}

TEST(MustFollow, BAD_140_never_to_another_scheme) {
    for (const char* location : {"file:///etc/passwd", "ftp://a/", "ldap://a/", "javascript:1", "http://a b/"}) {
        const auto verdict = must_follow({get_method, 302, "http://a/x", location, 0}, 3);
        ASSERT_FALSE(verdict) << location;
        EXPECT_EQ(ErrorCode::ca_redirect, verdict.error().code());
    }
}

TEST(MustFollow, BAD_8_never_on_post) {
    for (const int status : {300, 301, 302, 303, 307, 308}) {
        const auto verdict = must_follow({post_method, status, "http://a/x", "http://a/y", 0}, 3);
        ASSERT_FALSE(verdict) << status;
        EXPECT_EQ(ErrorCode::ca_redirect, verdict.error().code());
        EXPECT_THAT(verdict.error().line(), HasSubstr("http://a/y"));
    }
    EXPECT_FALSE(must_follow({post_method, 302, "http://a/x", "", 0}, 3));
}

TEST(MustFollow, HTTP_23_other_3xx_are_replies) {
    for (const int status : {300, 304, 305, 306, 399}) {
        EXPECT_FALSE(must_follow({get_method, status, "http://a/x", "http://a/y", 0}, 3).value());
    }
    EXPECT_FALSE(must_follow({get_method, 302, "http://a/x", "", 0}, 3).value());
}

TEST(MustFollow, BAD_9_at_most_max_redirects) {
    EXPECT_TRUE(must_follow({get_method, 302, "http://a/x", "http://a/y", 2}, 3));
    EXPECT_FALSE(must_follow({get_method, 302, "http://a/x", "http://a/y", 3}, 3));
    EXPECT_FALSE(must_follow({get_method, 302, "http://a/x", "http://a/y", 0}, 0));
}

class Redirected : public Exchange {};

TEST_F(Redirected, HTTP_16_N10_get_follows_three_and_reports_where_it_ended) {
    ScriptedServer last({answer(reply(200, "here", "Content-Type: a/b\r\n"))});
    ScriptedServer server(
        {{receive(), send(moved(301, "/two")), receive(), send(moved(307, "three?operation=GetCACaps")), receive(),
          send(moved(302, last.url("/end")))}});
    const auto response = fetch(get(server.url("/one")));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("here", as_text(response->body));
    EXPECT_EQ("a/b", response->content_type);
    EXPECT_EQ(last.url("/end"), response->effective_url);
    EXPECT_THAT(server.requests().at(2), HasSubstr("GET /three?operation=GetCACaps HTTP/1.1"));
    EXPECT_THAT(last.requests().at(0), HasSubstr("Cache-Control: no-cache"));
}

TEST_F(Redirected, BAD_9_N10_a_loop_ends) {
    ScriptedServer server({{receive(), send(moved(302, "/loop")), receive(), send(moved(302, "/loop")), receive(),
                            send(moved(302, "/loop")), receive(), send(moved(302, "/loop")), receive()}});
    const Error error = fetch_error(get(server.url("/loop")), ErrorCode::ca_redirect);
    EXPECT_THAT(error.line(), HasSubstr("/loop"));
    EXPECT_EQ(4U, server.requests().size()) << "the request and three redirects";
}

TEST_F(Redirected, BAD_8_N10_post_goes_nowhere_else) {
    ScriptedServer other({answer(reply(200, "x"))});
    ScriptedServer server({answer(moved(302, other.url("/login"))), answer(moved(308, other.url("/login")))});
    for (int i = 0; i < 2; ++i) {
        const Error error = fetch_error(post(server.url(), {1, 2, 3}), ErrorCode::ca_redirect);
        EXPECT_THAT(error.line(), HasSubstr(other.url("/login")));
    }
    EXPECT_EQ(0U, other.connections());
}

TEST_F(Redirected, BAD_140_to_a_file) {
    ScriptedServer server({answer(moved(302, "file:///etc/hostname"))});
    const Error error = fetch_error(get(server.url()), ErrorCode::ca_redirect);
    EXPECT_THAT(error.line(), HasSubstr("file:///etc/hostname"));
}

TEST_F(Redirected, SEC_14_a_location_cannot_steer_the_terminal) {
    ScriptedServer server({answer(moved(302, "http://evil.example/\x1b[2J"))});
    const Error error = fetch_error(post(server.url(), {1}), ErrorCode::ca_redirect);
    EXPECT_THAT(error.line(), Not(HasSubstr("\x1b")));
}

TEST_F(Redirected, HTTP_18_the_exchange_timeout_spans_all_hops) {
    ScriptedServer::Script slow;
    for (int hop = 0; hop < 40; ++hop) {
        slow.insert(slow.end(), {receive(), pause(20ms), send(moved(302, "/on"))});
    }
    ScriptedServer server({slow});
    http::Request request = get(server.url());
    request.limits.exchange_timeout = 200ms;
    request.limits.max_redirects = 30;
    fetch_error(request, ErrorCode::ca_timeout);
}

TEST_F(Redirected, BAD_14_headers_of_all_hops_count_together) {
    const std::string padding = "X-Pad: " + std::string(1000, 'a') + "\r\n";
    ScriptedServer server(
        {{receive(), send(reply(302, "", "Location: /b\r\n" + padding)), receive(), send(reply(200, "x", padding))}});
    http::Request request = get(server.url());
    request.limits.max_header = 1500;
    fetch_error(request, ErrorCode::ca_http);
}

}  // namespace
}  // namespace hwenroll::test
