// The kinds of key by name, size and curve.
#include "keystore/key_spec.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

namespace hwenroll::keystore::test {
namespace {

PublicKey ec_key(std::string curve) {
    const OpenSslPtr<EVP_PKEY> pair(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data()));
    return PublicKey::of(pair.get()).value();
}

PublicKey rsa_key(unsigned int bits) {
    return PublicKey::of(OpenSslPtr<EVP_PKEY>(EVP_RSA_gen(bits)).get()).value();
}

TEST(KeySpec, is_named_as_in_the_configuration) {
    EXPECT_EQ(to_text(KeySpec::rsa_2048), "rsa:2048");
    EXPECT_EQ(to_text(KeySpec::rsa_3072), "rsa:3072");
    EXPECT_EQ(to_text(KeySpec::rsa_4096), "rsa:4096");
    EXPECT_EQ(to_text(KeySpec::ec_p256), "ec:p256");
    EXPECT_EQ(to_text(KeySpec::ec_p384), "ec:p384");
    EXPECT_EQ(bits_of(KeySpec::rsa_4096), 4096);
    EXPECT_EQ(bits_of(KeySpec::ec_p384), 384);
    EXPECT_TRUE(is_ec(KeySpec::ec_p256));
    EXPECT_FALSE(is_ec(KeySpec::rsa_4096));
}

TEST(KeySpec, matches_keys_of_its_size_and_curve_only) {
    const PublicKey p256 = ec_key("P-256");
    EXPECT_TRUE(matches(KeySpec::ec_p256, p256));
    EXPECT_FALSE(matches(KeySpec::ec_p384, p256));
    EXPECT_TRUE(matches(KeySpec::ec_p384, ec_key("P-384")));
    EXPECT_FALSE(matches(KeySpec::ec_p256, ec_key("secp256k1"))) << "as long, but another curve";
    EXPECT_FALSE(matches(KeySpec::rsa_2048, p256));
    EXPECT_TRUE(matches(KeySpec::rsa_2048, rsa_key(2048)));
    EXPECT_FALSE(matches(KeySpec::rsa_3072, rsa_key(2048)));
    EXPECT_FALSE(matches(KeySpec::ec_p256, rsa_key(2048)));
}

}  // namespace
}  // namespace hwenroll::keystore::test
