// The BER reader behind the lint (SRV-14) and its bounds (BADC, SEC-11).
#include <gmock/gmock.h>

#include "tests/lab_ca/cms_syntax.h"

namespace hwenroll::lab_ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> deviations(std::string_view hex) {
    const Bytes octets = from_hex(hex).value();
    return der_deviations(read_asn1(octets).value());
}

bool readable(std::string_view hex) {
    const Bytes octets = from_hex(hex).value();
    return read_asn1(octets).has_value();
}

TEST(Asn1Reader, SIG_9_DER_has_no_deviations) {
    EXPECT_THAT(deviations("30 09 02 01 05 31 04 04 00 04 00"), IsEmpty());
}

TEST(Asn1Reader, SIG_9_names_what_is_not_DER) {
    EXPECT_THAT(deviations("30 80 02 01 05 00 00"), ElementsAre(HasSubstr("indefinite length at offset 0")));
    EXPECT_THAT(deviations("30 81 03 02 01 05"), ElementsAre(HasSubstr("shortest form")));
    EXPECT_THAT(deviations("24 05 04 03 01 02 03"), ElementsAre(HasSubstr("constructed string")));
    EXPECT_THAT(deviations("31 06 02 01 05 02 01 04"), ElementsAre(HasSubstr("SET OF")));
    EXPECT_THAT(deviations("02 02 00 05"), ElementsAre(HasSubstr("INTEGER")));
    EXPECT_THAT(deviations("01 01 01"), ElementsAre(HasSubstr("BOOLEAN")));
}

TEST(Asn1Reader, SIG_9_joins_the_pieces_of_a_constructed_string) {
    const Bytes octets = from_hex("24 80 04 02 01 02 04 01 03 00 00").value();
    EXPECT_EQ(string_octets(read_asn1(octets).value()), (Bytes{1, 2, 3}));
}

TEST(Asn1Reader, SEC_11_refuses_what_does_not_fit) {
    EXPECT_FALSE(readable(""));
    EXPECT_FALSE(readable("30"));
    EXPECT_FALSE(readable("30 02 02"));
    EXPECT_FALSE(readable("30 05 02 01 05"));
    EXPECT_FALSE(readable("30 84 ff ff ff ff"));
    EXPECT_FALSE(readable("30 89 01 00 00 00 00 00 00 00 00"));
    EXPECT_FALSE(readable("30 80 02 01 05"));     // no end
    EXPECT_FALSE(readable("04 80 00 00"));        // indefinite and primitive
    EXPECT_FALSE(readable("30 03 02 01 05 00"));  // further data
    EXPECT_FALSE(readable("3f 1f 00"));           // high tag number
    EXPECT_FALSE(readable("30 04 02 03 01 02"));  // child beyond its parent
}

TEST(Asn1Reader, SEC_11_bounds_depth_and_number) {
    Bytes deep;
    for (int i = 0; i < 1000; ++i) {
        deep = wrap_der(0x30, deep);
    }
    EXPECT_FALSE(read_asn1(deep));
    Bytes many(60000, 0);
    for (std::size_t i = 0; i < many.size(); i += 2) {
        many[i] = 0x05;
    }
    EXPECT_FALSE(read_asn1(wrap_der(0x30, many)));
}

TEST(Asn1Reader, object_identifiers) {
    const auto text = [](std::string_view hex) {
        const Bytes octets = from_hex(hex).value();
        return oid_text(read_asn1(octets).value()).value_or("none");
    };
    EXPECT_EQ(text("06 0a 60 86 48 01 86 f8 45 01 09 07"), "2.16.840.1.113733.1.9.7");
    EXPECT_EQ(text("06 03 2a 86 48"), "1.2.840");
    EXPECT_EQ(text("06 02 2a 86"), "none");     // ends within an arc
    EXPECT_EQ(text("06 03 2a 80 01"), "none");  // arc not in its shortest form
    EXPECT_EQ(text("06 0c 2a ff ff ff ff ff ff ff ff ff ff 7f"), "none");
}

TEST(CmsSyntax, BADC_truncated_or_altered_messages_do_not_crash) {
    // ContentInfo { signedData, SignedData { 1, {}, { data }, {} } }
    const Bytes whole =
        from_hex(
            "30 23 06 09 2a 86 48 86 f7 0d 01 07 02 a0 16 30 14 02 01 01 31 00 30 0b 06 09 2a 86 48 86 f7 0d 01 07 "
            "01 31 00")
            .value();
    ASSERT_TRUE(read_signed_data(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(read_signed_data(ByteView(whole).first(size))) << size;
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            Bytes altered = whole;
            altered[i] ^= static_cast<std::uint8_t>(1U << static_cast<unsigned>(bit));
            (void)read_signed_data(altered);
            (void)read_enveloped_data(altered);
        }
    }
}

}  // namespace
}  // namespace hwenroll::lab_ca
