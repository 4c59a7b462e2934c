// r and s as Ecdsa-Sig-Value, held against libcrypto's own encoder.
#include "keystore/ecdsa_signature.h"

#include <random>

#include <gtest/gtest.h>
#include <openssl/ec.h>

#include "base/openssl_ptr.h"

namespace hwenroll::keystore::test {
namespace {

/// The same by libcrypto.
Bytes expected(ByteView r, ByteView s) {
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(), &ECDSA_SIG_free);
    ECDSA_SIG_set0(signature.get(), BN_bin2bn(r.data(), static_cast<int>(r.size()), nullptr),
                   BN_bin2bn(s.data(), static_cast<int>(s.size()), nullptr));
    return der_of([&](unsigned char** out) { return i2d_ECDSA_SIG(signature.get(), out); });
}

TEST(EcdsaSignature, is_encoded_as_libcrypto_does_for_any_numbers) {
    std::mt19937 random(20261125);  // NOLINT(cert-msc51-cpp): the same octets every time
    for (const std::size_t half : {32U, 48U}) {
        for (int round = 0; round < 2000; ++round) {
            Bytes raw(2 * half);
            for (auto& octet : raw) {
                octet = static_cast<std::uint8_t>(random());
            }
            // Leading zeros, up to a number that is zero as a whole.
            std::fill_n(raw.begin(), random() % (half + 1), std::uint8_t{0});
            std::fill_n(raw.begin() + static_cast<std::ptrdiff_t>(half), round % 4, std::uint8_t{0});
            const ByteView view = raw;
            ASSERT_EQ(ecdsa_signature_value(raw), expected(view.first(half), view.subspan(half))) << to_hex(raw);
        }
    }
}

TEST(EcdsaSignature, of_an_odd_no_or_too_great_length_is_none) {
    for (const std::size_t size : {0U, 1U, 63U, 65U, 97U, 98U, 132U}) {
        EXPECT_TRUE(ecdsa_signature_value(Bytes(size, 1)).empty()) << size;
    }
    EXPECT_FALSE(ecdsa_signature_value(Bytes(96, 0xFF)).empty());
}

}  // namespace
}  // namespace hwenroll::keystore::test
