#include "base/public_key.h"

#include <gtest/gtest.h>

#include "tests/base/sample_certificate.h"

namespace hwenroll {
namespace {

PublicKey rsa_key(EVP_PKEY* key) {
    return PublicKey::of(key).value();
}

Bytes parameter(EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key, name, &number);
    const OpenSslPtr<BIGNUM> owned(number);
    Bytes octets(static_cast<std::size_t>(BN_num_bytes(number)));
    BN_bn2bin(number, octets.data());
    return octets;
}

TEST(PublicKey, of_a_pair_is_its_public_half) {
    const auto pair = test::software_key();
    const PublicKey key = PublicKey::of(pair.get()).value();
    EXPECT_EQ(PublicKey::from_spki(key.spki()).value(), key);
    EXPECT_TRUE(key.is_ec());
    EXPECT_FALSE(key.is_rsa());
    EXPECT_EQ(key.bits(), 256);
    EXPECT_EQ(key.text(), "EC P-256");
    EXPECT_FALSE(key == PublicKey::of(test::software_key().get()).value());
}

TEST(PublicKey, of_RSA_is_the_same_from_its_numbers) {
    const OpenSslPtr<EVP_PKEY> pair(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
    const PublicKey key = rsa_key(pair.get());
    EXPECT_EQ(key.text(), "RSA 2048");
    EXPECT_EQ(key.bits(), 2048);
    Bytes modulus = parameter(pair.get(), "n");
    const Bytes exponent = parameter(pair.get(), "e");
    EXPECT_EQ(PublicKey::from_rsa(modulus, exponent).value(), key);
    modulus.insert(modulus.begin(), 0);
    EXPECT_EQ(PublicKey::from_rsa(modulus, exponent).value(), key) << "a leading zero changes nothing";
}

TEST(PublicKey, that_is_cut_or_has_a_tail_is_refused) {
    Bytes spki = PublicKey::of(test::software_key().get()).value().spki();
    const Bytes cut(spki.begin(), spki.end() - 1);
    spki.push_back(0);
    for (const Bytes& bad : {cut, spki, Bytes{}}) {
        const auto read = PublicKey::from_spki(bad);
        ASSERT_FALSE(read.has_value());
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
    }
}

}  // namespace
}  // namespace hwenroll
