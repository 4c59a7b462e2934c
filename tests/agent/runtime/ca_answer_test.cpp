// What an HTTP answer of a CA means (CAPS-7, CAPS-8, HTTP-13, HTTP-24…29), for the agent and for 'hwenroll ca show'.
#include "agent/runtime/ca_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

http::Response answer(int status, std::string_view body = "") {
    http::Response response;
    response.status = status;
    const ByteView octets = as_bytes(body);
    response.body.assign(octets.begin(), octets.end());
    response.effective_url = "http://user:secret@ca2.example/scep?operation=PKIOperation&message=MIIB";
    return response;
}

RequestForm get_request() {
    return {.post = false, .url_length = 6012, .announces_post = false};
}

RequestForm post_request() {
    return {.post = true, .url_length = 50};
}

TEST(ReadCapabilities, CAPS_7_a_server_that_does_not_know_the_operation_announces_nothing) {
    for (const int status : {400, 404, 405, 501}) {
        const auto read = read_capabilities(answer(status, "AES"), false);
        ASSERT_TRUE(read) << status;
        EXPECT_EQ(**read, scep::Capabilities()) << status;
    }
    EXPECT_EQ(**read_capabilities(answer(200), false), scep::Capabilities()) << "an empty body";
    EXPECT_EQ(**read_capabilities(answer(204), false), scep::Capabilities());
}

TEST(ReadCapabilities, CAPS_7_HTTP_28_trouble_of_the_server_is_no_answer) {
    for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
        const auto read = read_capabilities(answer(status, "AES"), true);
        ASSERT_FALSE(read) << status;
        EXPECT_EQ(read.error().code(), ErrorCode::ca_http) << status;
    }
    for (const int status : {401, 403, 407, 411, 413, 414, 415}) {
        const auto read = read_capabilities(answer(status, "AES"), true);
        ASSERT_FALSE(read) << status;
        EXPECT_EQ(read.error().code(), ErrorCode::ca_http_refused) << status;
    }
}

TEST(ReadCapabilities, CAPS_8_closed_once_is_asked_again_and_closed_twice_announces_nothing) {
    const Result<http::Response> closed = fail(ErrorCode::ca_closed, "GET failed");
    const auto once = read_capabilities(closed, false);
    ASSERT_TRUE(once);
    EXPECT_FALSE(*once);
    const auto twice = read_capabilities(closed, true);
    ASSERT_TRUE(twice);
    EXPECT_EQ(**twice, scep::Capabilities());
}

TEST(ReadCapabilities, CAPS_8_other_errors_never_lower_the_algorithms) {
    for (const auto code : {ErrorCode::ca_unreachable, ErrorCode::ca_timeout, ErrorCode::ca_truncated}) {
        const auto read = read_capabilities(fail(code, "GET failed"), true);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code(), code);
    }
}

TEST(ReadCertificates, HTTP_26_not_found_is_the_path_and_a_server_in_trouble_is_tried_again) {
    const auto missing = read_certificates(answer(404, "no such page"), {});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::ca_http_refused);
    EXPECT_THAT(missing.error().line(),
                AllOf(HasSubstr("GetCACert by GET"), HasSubstr("404"), HasSubstr("'url'"), HasSubstr("no such page")));
    const auto busy = read_certificates(answer(503), {});
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code(), ErrorCode::ca_http);
}

TEST(StatusError, names_the_address_that_answered_without_secrets_and_query) {
    for (const int status : {403, 503}) {
        EXPECT_THAT(status_error(post_request(), answer(status)).line(),
                    AllOf(HasSubstr("by http://ca2.example/scep"), Not(HasSubstr("secret")), Not(HasSubstr("MIIB"))));
    }
}

TEST(StatusError, HTTP_24_HTTP_25_HTTP_27_HTTP_29_what_lasts_is_told_from_what_passes) {
    for (const int status : {400, 401, 403, 404, 405, 407, 411, 413, 414, 415, 501}) {
        const Error error = status_error(post_request(), answer(status));
        EXPECT_EQ(error.code(), ErrorCode::ca_http_refused) << status;
        EXPECT_EQ(error.info().remedy, Remedy::change_config);
        EXPECT_NE(error.next(), error.info().next) << status << " has advice of its own";
    }
    for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
        EXPECT_EQ(status_error(post_request(), answer(status)).code(), ErrorCode::ca_http) << status;
    }
}

TEST(StatusError, HTTP_28_retry_after_is_kept_for_what_passes_only) {
    http::Response busy = answer(429);
    busy.retry_after = std::chrono::seconds(90);
    EXPECT_EQ(status_error(post_request(), busy).retry_after(), std::chrono::seconds(90));
    busy.status = 403;
    EXPECT_EQ(status_error(post_request(), busy).retry_after(), std::nullopt);
}

TEST(StatusError, HTTP_13_Q_NDES_12_BAD_17_a_long_get_url_is_named_with_its_length_and_what_the_ca_lacks) {
    for (const int status : {400, 404, 414}) {
        EXPECT_THAT(status_error(get_request(), answer(status)).line(),
                    AllOf(HasSubstr("6012 characters"), HasSubstr("does not announce POST")))
            << status;
    }
    RequestForm chosen = get_request();
    chosen.announces_post = true;
    EXPECT_THAT(status_error(chosen, answer(404)).line(), HasSubstr("http = \"auto\""));
}

TEST(StatusError, HTTP_13_a_post_is_never_said_to_have_a_long_get_url) {
    for (const int status : {400, 404, 414}) {
        EXPECT_THAT(status_error(post_request(), answer(status)).line(), Not(HasSubstr("GET"))) << status;
    }
}

TEST(WithoutReply, HTTP_13_a_get_that_ends_in_a_reset_may_have_been_too_long) {
    const Error closed(ErrorCode::ca_closed, "GET failed", "reset");
    EXPECT_THAT(without_reply(get_request(), closed).line(), AllOf(HasSubstr("6012 characters"), HasSubstr("reset")));
    EXPECT_EQ(without_reply(post_request(), closed).line(), closed.line());
    const Error late(ErrorCode::ca_timeout, "GET failed");
    EXPECT_EQ(without_reply(get_request(), late).line(), late.line());
}

}  // namespace
}  // namespace hwenroll::runtime
