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

/// The public key as a point (RFC 5480 §2.2).
Bytes point_of(EVP_PKEY* key) {
    Bytes point(256);
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", point.data(), point.size(), &size), 1);
    point.resize(size);
    return point;
}

OpenSslPtr<EVP_PKEY> ec_pair(std::string curve) {
    return OpenSslPtr<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data()));
}

const Bytes p256_oid = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
const Bytes p384_oid = {0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22};

// Coordinates begin with a zero octet in one of 128 keys, whose length must not change for it.
TEST(PublicKey, gives_its_point_uncompressed_in_full_length) {
    for (const char* curve : {"P-256", "P-384"}) {
        for (int i = 0; i < 400; ++i) {
            const auto pair = ec_pair(curve);
            ASSERT_EQ(PublicKey::of(pair.get()).value().point(), point_of(pair.get())) << curve;
        }
    }
    const auto pair = ec_pair("P-256");
    const Bytes point = point_of(pair.get());
    Bytes compressed(point.begin(), point.begin() + 33);
    compressed[0] = (point.back() & 1U) != 0 ? 0x03 : 0x02;
    EXPECT_EQ(PublicKey::from_ec(p256_oid, compressed).value().point(), point);
    EXPECT_TRUE(PublicKey::from_rsa(Bytes(256, 0xA5), Bytes{1, 0, 1}).value().point().empty());
}

TEST(PublicKey, of_EC_is_the_same_from_its_curve_and_point_compressed_or_not) {
    struct Case {
        const char* curve;
        Bytes oid;
    };
    for (const auto& [curve, oid] : {Case{"P-256", p256_oid}, Case{"P-384", p384_oid}}) {
        const auto pair = ec_pair(curve);
        const PublicKey key = PublicKey::of(pair.get()).value();
        EXPECT_EQ(key.curve(), curve);
        const Bytes point = point_of(pair.get());
        EXPECT_EQ(PublicKey::from_ec(oid, point).value(), key);
        Bytes compressed(point.begin(), point.begin() + static_cast<std::ptrdiff_t>(point.size() / 2 + 1));
        compressed[0] = (point.back() & 1U) != 0 ? 3 : 2;
        EXPECT_EQ(PublicKey::from_ec(oid, compressed).value(), key);
    }
    EXPECT_EQ(PublicKey::of(ec_pair("secp256k1").get()).value().curve(), "secp256k1");
    const OpenSslPtr<EVP_PKEY> rsa(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
    EXPECT_EQ(PublicKey::of(rsa.get()).value().curve(), "");
}

TEST(PublicKey, is_none_without_a_named_curve_and_a_point_on_it) {
    const Bytes point = point_of(ec_pair("P-256").get());
    Bytes beside = point;
    beside.at(beside.size() / 2) ^= 1U;
    Bytes longer = point;
    longer.push_back(0);
    Bytes oid_with_tail = p256_oid;
    oid_with_tail.push_back(0);
    const Bytes no_curve = {0x06, 0x03, 0x55, 0x04, 0x03};  // id-at-commonName
    struct Case {
        const char* what;
        Bytes parameters;
        Bytes point;
    };
    for (const auto& bad :
         {Case{"beside the curve", p256_oid, beside}, Case{"too long", p256_oid, longer}, Case{"empty", p256_oid, {}},
          Case{"infinity", p256_oid, {0}}, Case{"of another curve", p384_oid, point},
          Case{"no curve's OID", no_curve, point}, Case{"OID with a tail", oid_with_tail, point},
          Case{"explicit parameters", {0x30, 0x00}, point}, Case{"no parameters", {}, point}}) {
        const auto key = PublicKey::from_ec(bad.parameters, bad.point);
        ASSERT_FALSE(key) << bad.what;
        EXPECT_EQ(key.error().code(), ErrorCode::crypto) << bad.what;
    }
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
