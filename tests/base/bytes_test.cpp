#include "base/bytes.h"

#include <string>

#include <gtest/gtest.h>

namespace hwenroll {
namespace {

TEST(Bytes, text_and_octets_are_views_of_each_other) {
    const std::string text("a\0b", 3);
    EXPECT_EQ(as_text(as_bytes(text)), text);
    EXPECT_EQ(to_bytes(as_bytes("az")), (Bytes{0x61, 0x7a}));
    EXPECT_TRUE(equal(Bytes{1, 2}, Bytes{1, 2}));
    EXPECT_FALSE(equal(Bytes{1, 2}, Bytes{1, 2, 3}));
    EXPECT_TRUE(equal({}, {}));
}

TEST(Hex, is_written_in_upper_case_with_or_without_separator) {
    const Bytes octets{0x00, 0x9a, 0xff};
    EXPECT_EQ(to_hex(octets), "009AFF");
    EXPECT_EQ(to_hex(octets, ':'), "00:9A:FF");
    EXPECT_EQ(to_hex({}), "");
}

TEST(Hex, is_read_in_either_case_with_colons_and_blanks) {
    EXPECT_EQ(from_hex("009aFF").value(), (Bytes{0x00, 0x9a, 0xff}));
    EXPECT_EQ(from_hex("00:9A ff").value(), (Bytes{0x00, 0x9a, 0xff}));
    EXPECT_EQ(from_hex("").value(), Bytes{});
}

TEST(Hex, refuses_what_is_not_hexadecimal) {
    for (const char* text : {"0", "0g", "abc", "0:0", "0x00", "é0"}) {
        const auto read = from_hex(text);
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::config_value) << text;
    }
}

struct Base64Vector {
    const char* octets;
    const char* text;
};

class Base64Rfc4648 : public testing::TestWithParam<Base64Vector> {};

// RFC 4648 §10, whose test vectors these are.
TEST_P(Base64Rfc4648, is_written_and_read) {
    EXPECT_EQ(to_base64(as_bytes(GetParam().octets)), GetParam().text);
    EXPECT_EQ(from_base64(GetParam().text).value(), to_bytes(as_bytes(GetParam().octets)));
}

INSTANTIATE_TEST_SUITE_P(Vectors, Base64Rfc4648,
                         testing::Values(Base64Vector{"", ""}, Base64Vector{"f", "Zg=="}, Base64Vector{"fo", "Zm8="},
                                         Base64Vector{"foo", "Zm9v"}, Base64Vector{"foob", "Zm9vYg=="},
                                         Base64Vector{"fooba", "Zm9vYmE="}, Base64Vector{"foobar", "Zm9vYmFy"}));

TEST(Base64, skips_line_breaks_and_blanks) {
    EXPECT_EQ(from_base64("Zm9v\r\n YmFy\n").value(), to_bytes(as_bytes("foobar")));
}

TEST(Base64, keeps_every_octet_value) {
    Bytes all;
    for (int i = 0; i < 256; ++i) {
        all.push_back(static_cast<std::uint8_t>(i));
    }
    EXPECT_EQ(from_base64(to_base64(all)).value(), all);
}

TEST(Base64, refuses_wrong_length_padding_and_alphabet) {
    for (const char* text : {"Zg=", "Zg", "Z===", "====", "Zg==Zg==", "=Zg=", "Zm9-", "Zm9_", "Zm9\x01"}) {
        const auto read = from_base64(text);
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure) << text;
    }
}

// FIPS 180-4 example "abc" and the empty message.
TEST(Sha256, gives_the_standard_digests) {
    EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
    EXPECT_EQ(to_hex(sha256({})), "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855");
}

}  // namespace
}  // namespace hwenroll
