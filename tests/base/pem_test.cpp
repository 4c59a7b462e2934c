#include "base/pem.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/base/sample_certificate.h"

namespace hwenroll {
namespace {

TEST(Pem, has_64_characters_a_line_and_ends_with_one_line_end) {  // RFC 7468 §2
    const auto quads = [](int count) {
        std::string text;
        while (count-- > 0) {
            text += "QUFB";
        }
        return text + "\n";
    };
    EXPECT_EQ(to_pem("PKCS#11 PROVIDER URI", Bytes(60, 'A')),
              "-----BEGIN PKCS#11 PROVIDER URI-----\n" + quads(16) + quads(4) + "-----END PKCS#11 PROVIDER URI-----\n");
}

TEST(Pem, certificates_come_back_in_order) {
    const Certificate one = test::make({});
    const Certificate two = test::make({});
    const auto read = certificates_from_pem(to_pem(one) + to_pem(two));
    ASSERT_TRUE(read.has_value()) << read.error().line();
    EXPECT_EQ(*read, (std::vector<Certificate>{one, two}));
}

TEST(Pem, other_blocks_and_text_around_are_skipped) {
    const Certificate one = test::make({});
    const auto read = certificates_from_pem("subject=CN=a\n" + to_pem("X509 CRL", Bytes{0x30, 0x00}) + to_pem(one) +
                                            "\ntrailing words\n");
    ASSERT_TRUE(read.has_value()) << read.error().line();
    EXPECT_EQ(*read, std::vector<Certificate>{one});
}

TEST(Pem, without_a_certificate_is_an_error) {
    for (const std::string& text : {std::string(), std::string("<html>"), to_pem("X509 CRL", Bytes{0x30, 0x00})}) {
        const auto read = certificates_from_pem(text);
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
    }
}

TEST(Pem, one_malformed_certificate_spoils_the_text) {
    const auto read =
        certificates_from_pem(to_pem(test::make({})) + to_pem("CERTIFICATE", to_bytes(as_bytes("not DER"))));
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
}

TEST(Pem, leaves_no_error_behind_for_others_to_find) {
    (void)certificates_from_pem(to_pem(test::make({})));
    (void)certificates_from_pem("no certificate at all");
    EXPECT_EQ(take_openssl_errors(), "");
}

}  // namespace
}  // namespace hwenroll
