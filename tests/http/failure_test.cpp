// CAPS-8: what may be taken for "closed without a reply", beyond what a plain server can show.
#include "transport/http/failure.h"

#include <cerrno>

#include <gmock/gmock.h>

namespace hwenroll::test {
namespace {

using http::Failure;
using http::to_error;
using testing::HasSubstr;

Failure given_up(CURLcode code, long os_error = 0) {
    Failure failure;
    failure.code = code;
    failure.why = "libcurl's words";
    failure.what = "GET http://ca.example/scep";
    failure.os_error = os_error;
    return failure;
}

bool closed(const Failure& failure) {
    return http::closed_without_reply(to_error(failure));
}

TEST(Failure, CAPS_8_only_an_end_by_the_peer_counts) {
    EXPECT_TRUE(closed(given_up(CURLE_GOT_NOTHING)));
    EXPECT_TRUE(closed(given_up(CURLE_RECV_ERROR, ECONNRESET)));
    EXPECT_TRUE(closed(given_up(CURLE_SEND_ERROR, EPIPE)));
    EXPECT_FALSE(closed(given_up(CURLE_RECV_ERROR, ETIMEDOUT)));
    EXPECT_FALSE(closed(given_up(CURLE_RECV_ERROR, EHOSTUNREACH)));
    for (const CURLcode code : {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT,
                                CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION}) {
        EXPECT_FALSE(closed(given_up(code, ECONNRESET))) << code;
    }
}

TEST(Failure, CAPS_8_a_TLS_failure_on_the_first_read_does_not_count) {
    Failure failure = given_up(CURLE_RECV_ERROR, ECONNRESET);
    failure.tls = true;
    EXPECT_FALSE(closed(failure));
    failure.code = CURLE_GOT_NOTHING;
    EXPECT_TRUE(closed(failure)) << "an orderly end after the handshake";
}

TEST(Failure, CAPS_8_N16_a_proxy_that_closes_is_not_the_CA) {
    Failure failure = given_up(CURLE_GOT_NOTHING);
    failure.proxied = true;
    EXPECT_FALSE(closed(failure));
    EXPECT_THAT(to_error(failure).line(), HasSubstr("'proxy'"));
}

TEST(Failure, CAPS_8_not_after_a_part_of_a_reply) {
    Failure failure = given_up(CURLE_RECV_ERROR, ECONNRESET);
    failure.reply_began = true;
    EXPECT_FALSE(closed(failure));
}

// RT-3: what may have left is told from what has not.
TEST(Failure, RT_3_only_before_the_request_is_the_CA_unreachable) {
    for (const CURLcode code : {CURLE_OPERATION_TIMEDOUT, CURLE_SSL_CONNECT_ERROR, CURLE_COULDNT_RESOLVE_HOST}) {
        EXPECT_EQ(to_error(given_up(code)).code(), ErrorCode::ca_unreachable) << code;
    }
    const std::vector<std::pair<CURLcode, ErrorCode>> later{{CURLE_OPERATION_TIMEDOUT, ErrorCode::ca_timeout},
                                                            {CURLE_SEND_ERROR, ErrorCode::ca_interrupted},
                                                            {CURLE_RECV_ERROR, ErrorCode::ca_interrupted}};
    for (const auto& [code, expected] : later) {
        Failure failure = given_up(code, ETIMEDOUT);
        failure.request_began = true;
        EXPECT_EQ(to_error(failure).code(), expected) << code;
    }
}

TEST(Failure, says_what_and_why_and_what_next) {
    EXPECT_EQ(
        "E-CA-UNREACHABLE GET http://ca.example/scep failed (libcurl's words); retried later; check 'url', the network "
        "and the CA",
        to_error(given_up(CURLE_COULDNT_CONNECT)).line());
    EXPECT_THAT(to_error(given_up(CURLE_PEER_FAILED_VERIFICATION)).line(), HasSubstr("'tls_ca'"));
    EXPECT_THAT(to_error(given_up(CURLE_INTERFACE_FAILED)).line(), HasSubstr("'bind'"));
}

}  // namespace
}  // namespace hwenroll::test
