// The lab CA's HTTP reader and the decoding of GET messages.
#include "tests/lab_ca/http_message.h"

#include <gmock/gmock.h>

#include "tests/lab_ca/get_message.h"

namespace hwenroll::lab_ca {
namespace {

using State = HttpRequestReader::State;
using testing::HasSubstr;
using testing::IsEmpty;

State feed(HttpRequestReader& reader, std::string_view text) {
    return reader.feed(as_bytes(text));
}

int refusal(std::string_view text, HttpLimits limits = {}) {
    HttpRequestReader reader(limits);
    return feed(reader, text) == State::refused ? reader.status() : 0;
}

TEST(HttpDate, is_written_as_rfc_9110_wants_it) {
    using namespace std::chrono;
    EXPECT_EQ(http_date(sys_days(year(1994) / 11 / 6) + hours(8) + minutes(49) + seconds(37)),
              "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(sys_days(year(2036) / 2 / 29)), "Fri, 29 Feb 2036 00:00:00 GMT");
}

TEST(HttpRequestReader, HTTP_8_reads_a_post_that_arrives_octet_by_octet) {
    HttpRequestReader reader({});
    const std::string_view wire =
        "POST /scep?operation=PKIOperation&x=1 HTTP/1.1\r\nHost: ca\r\ncontent-length: 3\r\n\r\nabc";
    for (std::size_t i = 0; i + 1 < wire.size(); ++i) {
        ASSERT_EQ(feed(reader, wire.substr(i, 1)), State::incomplete) << i;
    }
    ASSERT_EQ(feed(reader, wire.substr(wire.size() - 1)), State::complete);
    const HttpRequest request = reader.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/scep");
    EXPECT_EQ(request.parameter("operation"), "PKIOperation");
    EXPECT_EQ(request.parameter("x"), "1");
    EXPECT_EQ(request.parameter("Operation"), std::nullopt);
    EXPECT_EQ(request.header("CONTENT-LENGTH"), "3");
    EXPECT_EQ(as_text(request.body), "abc");
    EXPECT_TRUE(request.keep_alive());
    EXPECT_TRUE(reader.idle());
}

TEST(HttpRequestReader, keeps_what_follows_a_request) {
    HttpRequestReader reader({});
    ASSERT_EQ(feed(reader, "GET /a HTTP/1.1\r\n\r\nGET http://ca:80/b?q HTTP/1.0\r\n\r\n"), State::complete);
    EXPECT_EQ(reader.take().path, "/a");
    ASSERT_EQ(reader.state(), State::complete);
    const HttpRequest second = reader.take();
    EXPECT_EQ(second.path, "/b");
    EXPECT_EQ(second.query, "q");
    EXPECT_FALSE(second.keep_alive());
}

TEST(HttpRequestReader, BADC_8_refuses_by_the_head_alone) {
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 3145728\r\n\r\n"), 413);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), 413);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\n\r\n"), 411);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
    EXPECT_EQ(refusal("GET /\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/2.0\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nno colon\r\n\r\n"), 400);
    EXPECT_EQ(refusal(std::string(66560, 'A')), 431);
}

TEST(HttpReply, on_the_wire) {
    const Bytes wire = to_wire(text_reply(404, "gone"), false);
    EXPECT_EQ(
        as_text(wire),
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\ngone\n");
}

TEST(GetMessage, HTTP_11_the_right_form_has_no_deviations) {
    const GetMessage message = decode_get_message("%2B%2F%2B%2F%2B%2F8%3D");
    EXPECT_EQ(message.octets, from_hex("fb ff bf fb ff").value());
    EXPECT_THAT(message.deviations, IsEmpty());
}

TEST(GetMessage, SRV_2_other_forms_are_decoded_and_named) {
    const auto right = from_hex("fb ff bf fb ff").value();
    const auto check = [&](std::string_view form, const char* named) {
        const GetMessage message = decode_get_message(form);
        EXPECT_EQ(message.octets, right) << form;
        EXPECT_THAT(message.deviations, testing::Contains(HasSubstr(named))) << form;
    };
    check("+%2F%2B%2F%2B%2F8%3D", "'+' is not");
    check("%20%2F%2B%2F%2B%2F8%3D", "blank");
    check("%2B/%2B%2F%2B%2F8%3D", "'/' is not");
    check("%2B%2F%2B%2F%2B%2F8=", "'=' is not");
    check("%2b%2f%2b%2f%2b%2f8%3d", "lower-case");
    check("%2B%2F%2B%0A%2F%2B%2F8%3D", "line breaks");
    check("%2B%2F%2B%0D%0A%2F%2B%2F8%3D%0A", "line breaks");
    check("%2B%2F%2B%2F%2B%2F8", "padding");
    check("-_-_-_8%3D", "base64url");
}

TEST(GetMessage, BADC_9_broken_base64_is_undecodable) {
    for (const char* broken : {"", "!!!!", "%00%00%00%00", "A", "AAAA%3DAAA", "%", "%zz"}) {
        EXPECT_EQ(decode_get_message(broken).octets, std::nullopt) << broken;
    }
}

}  // namespace
}  // namespace hwenroll::lab_ca
