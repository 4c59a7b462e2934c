#include "base/pem.h"

#include <numeric>
#include <string>

#include <gtest/gtest.h>
#include <openssl/pem.h>

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

TEST(Pem, pieces_are_the_text_that_libcrypto_writes_and_end_when_told) {
    for (const std::size_t size : {0U, 1U, 47U, 48U, 49U, 12288U, 30001U}) {
        Bytes octets(size);
        std::iota(octets.begin(), octets.end(), std::uint8_t{1});
        const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
        PEM_write_bio(out.get(), "X509 CRL", "", octets.data(), static_cast<long>(size));
        char* data = nullptr;
        const long length = BIO_get_mem_data(out.get(), &data);
        EXPECT_EQ(to_pem("X509 CRL", octets), std::string(data, static_cast<std::size_t>(length))) << size;
        int taken = 0;
        pem_pieces("X509 CRL", octets, [&](std::string_view) { return ++taken < 1; });
        EXPECT_EQ(taken, 1);
    }
}

TEST(Pem, a_block_is_decoded_within_its_text) {
    for (const std::size_t size : {1U, 2U, 3U, 48U, 3072U, 30001U}) {
        Bytes octets(size);
        std::iota(octets.begin(), octets.end(), std::uint8_t{1});
        const std::string text = "issuer=CN=a\n" + to_pem("CERTIFICATE", Bytes{0x30, 0x00}) +
                                 to_pem("X509 CRL", octets) + to_pem("X509 CRL", Bytes{0x30});
        EXPECT_EQ(*block_from_pem(to_bytes(as_bytes(text)), "X509 CRL"), octets) << size;
        std::string windows;
        for (const char one : text) {
            windows += one == '\n' ? std::string("\r\n") : std::string(1, one);
        }
        EXPECT_EQ(*block_from_pem(to_bytes(as_bytes(windows)), "X509 CRL"), octets) << size << " with CRLF";
    }
}

TEST(Pem, a_block_that_is_none_is_an_error) {
    const std::string begin = "-----BEGIN X509 CRL-----\n";
    const std::string end = "-----END X509 CRL-----\n";
    for (const std::string& text : {std::string(), std::string("<html>"), begin + "MAA=", begin + "MA*=\n" + end,
                                    begin + "MAA\n" + end, begin + "MA==MAAA\n" + end, begin + "M===\n" + end,
                                    begin + "====\n" + end, to_pem("CERTIFICATE", Bytes{0x30, 0x00})}) {
        const auto read = block_from_pem(to_bytes(as_bytes(text)), "X509 CRL");
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
    }
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
