// URLs in messages: no secret, no request (SEC-13, SEC-14).
#include "transport/http/url.h"

#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using http::scheme_of;
using http::shown_url;

TEST(ShownUrl, keeps_what_names_the_server_and_the_operation) {
    EXPECT_EQ("http://ca.example:8080/scep?operation=GetCACaps",
              shown_url("http://ca.example:8080/scep?operation=GetCACaps"));
    EXPECT_EQ("http://ca.example/?a=1&operation=GetCACert&message=corp",
              shown_url("http://ca.example/?a=1&operation=GetCACert&message=corp"));
    EXPECT_EQ("http://ca.example/?", shown_url("http://ca.example/?"));
}

TEST(ShownUrl, leaves_out_long_values) {
    const std::string base = "http://ca.example/scep?operation=PKIOperation&message=";
    EXPECT_EQ(base + "…", shown_url(base + std::string(5000, 'M')));
    EXPECT_EQ("http://ca.example/?…&operation=x",
              shown_url("http://ca.example/?" + std::string(99, 'M') + "&operation=x"));
}

TEST(ShownUrl, leaves_out_credentials_and_fragment) {
    EXPECT_EQ("https://ca.example/a@b", shown_url("https://user:hunter2@ca.example/a@b#hunter2"));
    EXPECT_EQ("https://ca.example", shown_url("https://user:hunter2@ca.example"));
    EXPECT_EQ("ca.example/x", shown_url("user:hunter2@ca.example/x"));
    EXPECT_EQ("http://[::1]:80/x", shown_url("http://u:p@[::1]:80/x"));
}

TEST(ShownUrl, is_bounded_and_printable) {
    EXPECT_GE(260U, shown_url("http://a/" + std::string(5000, 'x')).size());
    EXPECT_EQ("http://a/\\x1b", shown_url("http://a/\x1b"));
}

TEST(SchemeOf, SEC_17_http_and_https_in_any_case) {
    EXPECT_EQ(http::Scheme::http, scheme_of("HTTP://ca.example/scep"));
    EXPECT_EQ(http::Scheme::https, scheme_of("https://[::1]/scep"));
    for (const char* url : {"file:///etc/passwd", "ca.example", "//ca.example", "", "http:"}) {
        EXPECT_FALSE(scheme_of(url)) << url;
    }
}

TEST(ShownAddress, has_neither_credentials_nor_query) {
    EXPECT_EQ("http://ca.example:8080/scep",
              http::shown_address("http://user:secret@ca.example:8080/scep?operation=PKIOperation&message=MII#x"));
    EXPECT_EQ("http://ca.example/a", http::shown_address("http://ca.example/a"));
}

}  // namespace
}  // namespace hwenroll::test
