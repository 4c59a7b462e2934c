// PublicKey::from_spki reads the usual kinds of key by itself; libcrypto's decoders say what is right.
#include <gtest/gtest.h>

#include "base/public_key.h"

namespace hwenroll {
namespace {

/// `RSA1024`
std::size_t bits_of(const std::string& kind) {
    return std::stoul(kind.substr(3));
}

OpenSslPtr<EVP_PKEY> new_key(const std::string& kind) {
    return OpenSslPtr<EVP_PKEY>(kind.starts_with("RSA") ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits_of(kind))
                                                        : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str()));
}

OpenSslPtr<EVP_PKEY> decoded_by_libcrypto(const Bytes& spki) {
    const OpenSslErrorScope dropped;
    const unsigned char* in = spki.data();
    OpenSslPtr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size())));
    return in == spki.data() + spki.size() ? std::move(key) : nullptr;
}

class PublicKeyDecoding : public testing::TestWithParam<std::string> {
 protected:
    const Bytes spki_ = PublicKey::of(new_key(GetParam()).get()).value().spki();
};

TEST_P(PublicKeyDecoding, yields_the_key_that_libcrypto_decodes) {
    const PublicKey key = PublicKey::from_spki(spki_).value();
    const auto expected = decoded_by_libcrypto(spki_);
    EXPECT_EQ(EVP_PKEY_eq(key.get(), expected.get()), 1);
    EXPECT_EQ(key.bits(), EVP_PKEY_get_bits(expected.get()));
    const Bytes again = der_of([&](unsigned char** out) { return i2d_PUBKEY(key.get(), out); });
    EXPECT_EQ(again, spki_);
}

TEST_P(PublicKeyDecoding, encodes_as_libcrypto_does) {
    for (int i = 0; i < 8; ++i) {  // so that numbers with and without a top bit occur
        const auto pair = new_key(GetParam());
        const Bytes expected = der_of([&](unsigned char** out) { return i2d_PUBKEY(pair.get(), out); });
        EXPECT_EQ(PublicKey::of(pair.get()).value().spki(), expected);
    }
}

TEST_P(PublicKeyDecoding, of_every_cut_is_refused) {
    for (std::size_t size = 0; size < spki_.size(); ++size) {
        EXPECT_FALSE(PublicKey::from_spki(ByteView(spki_).first(size)).has_value()) << size;
    }
}

// Each octet changed, and each bit of the structure before the numbers: both take it for the same key or both refuse
// it.
TEST_P(PublicKeyDecoding, judges_every_flipped_bit_as_libcrypto_does) {
    constexpr std::size_t structure = 40;  // octets
    for (std::size_t bit = 0; bit < spki_.size() * 8; bit += bit / 8 < structure ? 1 : 8) {
        Bytes flipped = spki_;
        flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
        const auto key = PublicKey::from_spki(flipped);
        const auto expected = decoded_by_libcrypto(flipped);
        ASSERT_EQ(key.has_value(), expected != nullptr) << "bit " << bit;
        ASSERT_TRUE(!key || EVP_PKEY_eq(key->get(), expected.get()) == 1) << "bit " << bit;
    }
}

INSTANTIATE_TEST_SUITE_P(kinds, PublicKeyDecoding,
                         testing::Values("RSA1024", "RSA1025", "RSA2048", "P-256", "P-384", "P-521"),
                         [](const auto& kind) {
                             std::string name = kind.param;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace hwenroll
