// Error lines and printable text: MSG-14 (free text from a CA) and SEC-14 (log injection).
#include "base/error.h"

#include <string>

#include <gtest/gtest.h>

#include "base/result.h"

namespace hwenroll {
namespace {

using namespace std::string_literals;

TEST(Error, line_says_what_on_what_why_and_what_next) {
    const Error error = Error(ErrorCode::token_pin, "token 'lab' refused the PIN", "CKR_PIN_INCORRECT").about("web");
    EXPECT_EQ(error.line(),
              "E-TOKEN-PIN web: token 'lab' refused the PIN (CKR_PIN_INCORRECT); not trying again until the PIN "
              "source changes");
}

TEST(Error, line_leaves_out_parts_that_are_not_known) {
    EXPECT_EQ(Error(ErrorCode::internal, "phase 9").line(), "E-INTERNAL phase 9; report this as a bug");
}

TEST(Error, own_advice_takes_the_place_of_the_table) {
    const Error error(ErrorCode::config_value, "x", {}, "use y");
    EXPECT_EQ(error.next(), "use y");
    EXPECT_EQ(error.line(), "E-CONFIG-VALUE x; use y");
}

TEST(Error, the_deepest_layer_names_the_subject) {
    const Error error = Error(ErrorCode::ca_http, "x").about("corp").about("web");
    EXPECT_EQ(error.subject(), "corp");
}

TEST(Error, HTTP_28_how_long_to_wait_stays_with_it_when_it_gets_a_subject) {
    EXPECT_EQ(Error(ErrorCode::ca_http, "x").retry_after(), std::nullopt);
    const Error asked = Error(ErrorCode::ca_http, "x").retry_after(std::chrono::seconds(90));
    EXPECT_EQ(Error(asked).about("ca corp").retry_after(), std::chrono::seconds(90));
}

TEST(Error, a_hostile_text_stays_on_one_line_SEC_14) {
    const std::string line = Error(ErrorCode::ca_rejected, "a\nE-FORGED b", "c\r\x1b[2J").about("w\neb").line();
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\r'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_NE(line.find("a\\x0aE-FORGED b"), std::string::npos) << line;
    EXPECT_NE(line.find("\\x1b[2J"), std::string::npos) << line;
}

TEST(Result, carries_an_error_or_a_value) {
    const Result<int> bad = fail(ErrorCode::usage, "x");
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().code(), ErrorCode::usage);
    const Result<int> good = 3;
    EXPECT_EQ(good.value(), 3);
}

TEST(Printable, keeps_ordinary_text_of_any_script) {
    EXPECT_EQ(printable("plain ~ text"), "plain ~ text");
    EXPECT_EQ(printable("Zürich 東京 😀"), "Zürich 東京 😀");
    EXPECT_EQ(printable(""), "");
}

TEST(Printable, writes_control_characters_as_escapes_MSG_14) {
    EXPECT_EQ(printable("a\0b"s), "a\\x00b");
    EXPECT_EQ(printable("\t\n\r\x1b\x7f"), "\\x09\\x0a\\x0d\\x1b\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "\\x9b31m")
        << "C1 control sequence introducer";
}

TEST(Printable, writes_direction_changes_as_escapes_MSG_14) {
    EXPECT_EQ(printable("\xe2\x80\xae"
                        "evil"),
              "\\u{202e}evil");
    EXPECT_EQ(printable("\xe2\x81\xa6\xe2\x81\xa9"), "\\u{2066}\\u{2069}");
    EXPECT_EQ(printable("\xe2\x80\x8f"), "\\u{200f}");
    EXPECT_EQ(printable("\xd8\x9c"), "\\u{061c}");
    EXPECT_EQ(printable("\xef\xbb\xbf"), "\\u{feff}");
    EXPECT_EQ(printable("\xe2\x80\xa8\xe2\x80\xa9"), "\\u{2028}\\u{2029}") << "line and paragraph separators";
}

TEST(Printable, writes_invalid_UTF8_octet_by_octet_MSG_14) {
    EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(printable("a\x80z"), "a\\x80z") << "lone continuation";
    EXPECT_EQ(printable("\xc3"), "\\xc3") << "cut short";
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong solidus";
    EXPECT_EQ(printable("\xe0\x80\x8a"), "\\xe0\\x80\\x8a") << "overlong line feed";
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
    EXPECT_EQ(printable("\xe2\x80"
                        "A"),
              "\\xe2\\x80A")
        << "the next character is not swallowed";
}

TEST(Printable, cuts_at_the_limit_between_characters_MSG_14) {
    EXPECT_EQ(printable(std::string(600, 'x')), std::string(512, 'x') + "…");
    EXPECT_EQ(printable(std::string(512, 'x')), std::string(512, 'x'));
    EXPECT_EQ(printable("ab\xc3\xbc"
                        "c",
                        3),
              "ab…")
        << "no half character";
    EXPECT_EQ(printable("ab\n", 4), "ab…") << "no half escape";
}

}  // namespace
}  // namespace hwenroll
