// What a server may answer, and what it may not: BAD-1…6, BAD-12…14, BAD-16, HTTP-14, HTTP-18, HTTP-19, HTTP-21, N5…N9.
#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Reply : public Exchange {
 protected:
    Result<http::Response> fetch_from(ScriptedServer::Script script) {
        ScriptedServer server({std::move(script)});
        return fetch(get(server.url()));
    }
    Error error_from(ScriptedServer::Script script, ErrorCode code, const http::Limits& limits = {}) {
        ScriptedServer server({std::move(script)});
        http::Request request = get(server.url("/scep?operation=GetCACaps"));
        request.limits = limits;
        Error error = fetch_error(request, code);
        EXPECT_THAT(error.line(), HasSubstr(server.url("/scep?operation=GetCACaps")));
        EXPECT_FALSE(error.why().empty());
        return error;
    }
};

TEST_F(Reply, is_handed_over_with_all_its_parts) {
    ScriptedServer server({answer(reply(200, std::string("a\0b", 3),
                                        "Content-Type: application/x-x509-ca-cert; charset=x\r\n"
                                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 120\r\n"))});
    const auto response = fetch(get(server.url("/a?operation=GetCACert")));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(200, response->status);
    EXPECT_EQ("application/x-x509-ca-cert; charset=x", response->content_type);
    EXPECT_EQ((Bytes{'a', 0, 'b'}), response->body);
    EXPECT_EQ(server.url("/a?operation=GetCACert"), response->effective_url);
    EXPECT_EQ(120s, response->retry_after);
    EXPECT_EQ(784111777, response->date.value().time_since_epoch().count());
}

TEST_F(Reply, HTTP_21_any_status_is_a_reply) {
    for (const int status : {200, 201, 400, 401, 403, 404, 405, 414, 429, 500, 501, 503, 599}) {
        const auto response = fetch_from(answer(reply(status, "why")));
        ASSERT_TRUE(response) << status << ' ' << response.error().line();
        EXPECT_EQ(status, response->status);
        EXPECT_EQ("why", as_text(response->body));
    }
}

TEST_F(Reply, BAD_12_an_empty_body_is_a_reply) {
    const auto response = fetch_from(answer(reply(200, "")));
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->body.empty());
    const auto bare = fetch_from(answer("HTTP/1.1 204 Nothing\r\n\r\n"));
    ASSERT_TRUE(bare);
    EXPECT_EQ(204, bare->status);
    EXPECT_EQ("", bare->content_type);
}

TEST_F(Reply, HTTP_14_version_1_0_without_length_ends_with_the_connection) {
    const auto response = fetch_from(answer("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nAES\nSHA-256\n"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("AES\nSHA-256\n", as_text(response->body));
}

TEST_F(Reply, HTTP_14_connection_close_without_length) {
    const auto response = fetch_from(answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("abc", as_text(response->body));
}

TEST_F(Reply, HTTP_14_any_letter_case_and_spacing_of_fields) {
    const auto response = fetch_from(
        answer("HTTP/1.1 200\r\ncOnTeNt-LENGTH:3\r\nCONTENT-type:   Text/Plain  \r\nretry-AFTER:7\r\n\r\nabc"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("abc", as_text(response->body));
    EXPECT_EQ("Text/Plain", response->content_type);
    EXPECT_EQ(7s, response->retry_after);
}

TEST_F(Reply, HTTP_14_a_chunked_body_is_put_together) {
    const auto response = fetch_from(
        answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n"
               "0\r\nContent-Type: c/d\r\nRetry-After: 5\r\n\r\n"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("abcde", as_text(response->body));
    EXPECT_EQ("a/b", response->content_type) << "a trailer changes nothing";
    EXPECT_EQ(std::nullopt, response->retry_after) << "and adds nothing";
}

TEST_F(Reply, HTTP_14_an_interim_reply_is_passed_over) {
    const auto response = fetch_from(
        answer("HTTP/1.1 103 Hints\r\nContent-Type: a/b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(200, response->status);
    EXPECT_EQ("", response->content_type);
}

TEST_F(Reply, HTTP_14_a_reply_in_single_octets) {
    const std::string whole = reply(200, "abc", "Content-Type: a/b\r\n");
    const auto response = fetch_from({receive(), drip(whole, 0ms)});
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("abc", as_text(response->body));
}

TEST_F(Reply, BAD_1_CAPS_8_closed_before_the_status_line) {
    const Error closed = error_from({receive()}, ErrorCode::ca_closed);
    EXPECT_TRUE(http::closed_without_reply(closed));
    const Error was_reset = error_from({receive(), reset()}, ErrorCode::ca_closed);
    EXPECT_TRUE(http::closed_without_reply(was_reset));
}

TEST_F(Reply, BAD_1_closed_within_the_status_line_is_no_reply_either) {
    const Error error = error_from(answer("HTTP/1.1 20"), ErrorCode::ca_closed);
    EXPECT_TRUE(http::closed_without_reply(error));
}

TEST_F(Reply, BAD_2_reset_after_the_header) {
    const Error error = error_from({receive(), send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), reset()},
                                   ErrorCode::ca_interrupted);
    EXPECT_FALSE(http::closed_without_reply(error));
}

TEST_F(Reply, BAD_2_reset_within_the_header) {
    const Error error =
        error_from({receive(), send("HTTP/1.1 200 OK\r\nContent-Le"), reset()}, ErrorCode::ca_interrupted);
    EXPECT_FALSE(http::closed_without_reply(error));
}

TEST_F(Reply, BAD_3_N5_shorter_than_its_content_length) {
    error_from(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd"), ErrorCode::ca_truncated);
    error_from(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), ErrorCode::ca_truncated);
}

TEST_F(Reply, BAD_3_N5_chunked_without_its_end) {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    error_from(answer(head + "3\r\nabc\r\n"), ErrorCode::ca_truncated);
    error_from(answer(head + "9\r\nabc"), ErrorCode::ca_truncated);
}

TEST_F(Reply, BAD_4_a_content_length_that_cannot_be) {
    for (const char* size : {"9000000000000000000", "1048577"}) {
        const auto script = answer(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nabc", size));
        error_from(script, ErrorCode::ca_too_big);
    }
    error_from(answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc"), ErrorCode::ca_too_big);
    error_from(answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"), ErrorCode::ca_http);
    error_from(answer("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc"), ErrorCode::ca_http);
}

TEST_F(Reply, BAD_5_HTTP_18_an_endless_chunked_body_is_cut_at_the_limit) {
    const std::string chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
    error_from({receive(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), send_endlessly(chunk)},
               ErrorCode::ca_too_big);
}

TEST_F(Reply, N8_an_endless_body_without_length_is_cut_at_the_limit) {
    const Error error = error_from({receive(), send("HTTP/1.0 200 OK\r\n\r\n"), send_endlessly(std::string(5000, 'x'))},
                                   ErrorCode::ca_too_big);
    EXPECT_THAT(error.why(), HasSubstr("1048576"));
}

TEST_F(Reply, HTTP_18_the_limit_itself_is_allowed) {
    ScriptedServer server({answer("HTTP/1.0 200 OK\r\n\r\n1234"), answer("HTTP/1.0 200 OK\r\n\r\n12345")});
    http::Request request = get(server.url());
    request.limits.max_body = 4;
    EXPECT_TRUE(fetch(request));
    fetch_error(request, ErrorCode::ca_too_big);
}

TEST_F(Reply, BAD_6_N7_a_drip_ends_at_the_exchange_timeout) {
    http::Limits limits;
    limits.exchange_timeout = 300ms;
    error_from({receive(), send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), drip("x", 20ms)},
               ErrorCode::ca_timeout, limits);
}

TEST_F(Reply, BAD_6_N7_a_drip_ends_at_the_lowest_rate) {
    http::Limits limits;
    limits.min_rate = 1000;
    limits.min_rate_time = 1s;
    const Error error =
        error_from({receive(), send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), drip("x", 20ms)},
                   ErrorCode::ca_timeout, limits);
    EXPECT_THAT(error.why(), HasSubstr("too slow"));
}

TEST_F(Reply, HTTP_18_silence_ends_at_the_exchange_timeout) {
    http::Limits limits;
    limits.exchange_timeout = 200ms;
    const Error error = error_from({receive(), await_close()}, ErrorCode::ca_timeout, limits);
    EXPECT_FALSE(http::closed_without_reply(error));
}

TEST_F(Reply, BAD_13_HTTP_19_a_coded_body_is_refused) {
    for (const char* coding : {"gzip", "deflate", "br", "GZIP", "identity, gzip"}) {
        const Error error = error_from(answer(reply(200, "\x1f\x8b", fmt::format("content-ENCODING: {}\r\n", coding))),
                                       ErrorCode::ca_http);
        EXPECT_THAT(error.why(), HasSubstr(coding));
    }
    error_from(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), ErrorCode::ca_http);
    EXPECT_TRUE(fetch_from(answer(reply(200, "x", "Content-Encoding: identity\r\n"))));
}

TEST_F(Reply, BAD_14_one_long_header_line) {
    error_from(answer(reply(200, "x", "X-Long: " + std::string(64U << 10U, 'a') + "\r\n")), ErrorCode::ca_http);
    const Error endless = error_from(
        {receive(), send("HTTP/1.1 200 OK\r\nX-Long: "), send_endlessly(std::string(4096, 'a'))}, ErrorCode::ca_http);
    EXPECT_THAT(endless.why(), HasSubstr("header line"));
}

TEST_F(Reply, BAD_14_ten_thousand_header_lines) {
    std::string fields;
    for (int i = 0; i < 10'000; ++i) {
        fields += fmt::format("X-{}: y\r\n", i);
    }
    error_from(answer(reply(200, "x", fields)), ErrorCode::ca_http);
}

TEST_F(Reply, BAD_14_endless_interim_replies) {
    error_from({receive(), send_endlessly("HTTP/1.1 100 Continue\r\n\r\n")}, ErrorCode::ca_http);
}

TEST_F(Reply, BAD_14_endless_trailers) {
    error_from(
        {receive(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), send_endlessly("X: y\r\n")},
        ErrorCode::ca_http);
}

TEST_F(Reply, BAD_16_a_second_reply_on_the_connection_is_ignored) {
    ScriptedServer server(
        {{receive(), send(reply(200, "first") + reply(200, "forged")), await_close()}, answer(reply(200, "second"))});
    const auto first = fetch(get(server.url()));
    ASSERT_TRUE(first) << first.error().line();
    EXPECT_EQ("first", as_text(first->body));
    const auto second = fetch(get(server.url()));
    ASSERT_TRUE(second) << second.error().line();
    EXPECT_EQ("second", as_text(second->body));
    EXPECT_EQ(2U, server.connections());
}

TEST_F(Reply, what_is_not_HTTP_of_version_1) {
    error_from(answer("SSH-2.0-OpenSSH_9.2\r\n"), ErrorCode::ca_http);
    error_from(answer("<html>hello</html>\r\n\r\n"), ErrorCode::ca_http);
    error_from(answer(std::string("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", 27)), ErrorCode::ca_http);
    error_from(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), ErrorCode::ca_http);
}

}  // namespace
}  // namespace hwenroll::test
