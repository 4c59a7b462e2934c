// N9, HTTP-28: Retry-After in its two forms, clamped; SEC-16: measured by the reply's own Date.
#include "transport/http/reply_header.h"

#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using http::ReplyHeader;

std::optional<std::chrono::seconds> retry_after(std::string_view value, std::string_view date = "") {
    ReplyHeader header(10'000);
    header.take("HTTP/1.1 503 Busy\r\n");
    header.take("Retry-After: " + std::string(value) + "\r\n");
    if (!date.empty()) {
        header.take("Date: " + std::string(date) + "\r\n");
    }
    header.take("\r\n");
    return header.retry_after(http::Limits{});
}

TEST(RetryAfter, N9_seconds_are_clamped) {
    EXPECT_EQ(120s, retry_after("120"));
    EXPECT_EQ(1s, retry_after("0"));
    EXPECT_EQ(24h, retry_after("86401"));
    EXPECT_EQ(24h, retry_after("9223372036854775807"));
    EXPECT_EQ(24h, retry_after("99999999999999999999999999"));
}

TEST(RetryAfter, N9_a_date_counts_from_the_Date_of_the_reply) {
    constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";
    EXPECT_EQ(60s, retry_after("Sun, 06 Nov 1994 08:50:37 GMT", date));
    EXPECT_EQ(60s, retry_after("Sunday, 06-Nov-94 08:50:37 GMT", date));
    EXPECT_EQ(60s, retry_after("Sun Nov  6 08:50:37 1994", date));
    EXPECT_EQ(1s, retry_after("Sun, 06 Nov 1994 08:49:00 GMT", date)) << "past";
    EXPECT_EQ(24h, retry_after("Sun, 06 Nov 2094 08:49:00 GMT", date));
    EXPECT_EQ(std::nullopt, retry_after("Sun, 06 Nov 1994 08:50:37 GMT")) << "no Date to count from";
}

TEST(RetryAfter, N9_nonsense_says_nothing) {
    for (const char* value : {"", "-5", "soon", "1.5", "0x10", "12 parrots"}) {
        EXPECT_EQ(std::nullopt, retry_after(value, "Sun, 06 Nov 1994 08:49:37 GMT")) << value;
    }
}

TEST(ReplyHeader, BAD_14_the_limit_itself_is_allowed) {
    ReplyHeader header(19);
    EXPECT_EQ(ReplyHeader::Verdict::acceptable, header.take("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(ReplyHeader::Verdict::acceptable, header.take("\r\n"));
    EXPECT_EQ(ReplyHeader::Verdict::too_long, header.take("\r\n"));
}

TEST(ReplyHeader, the_first_of_a_repeated_field_counts) {
    ReplyHeader header(1000);
    header.take("HTTP/1.1 200 OK\r\n");
    header.take("Content-Type: a/b\r\n");
    header.take("content-type: c/d\r\n");
    header.take("\r\n");
    EXPECT_EQ("a/b", header.content_type());
    EXPECT_TRUE(header.complete());
}

}  // namespace
}  // namespace hwenroll::test
