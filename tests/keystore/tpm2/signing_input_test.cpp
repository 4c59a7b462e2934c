// The form in which a TPM is given what it signs.
#include "keystore/tpm2/signing_input.h"

#include <gtest/gtest.h>

#include "tests/keystore/public_half.h"

namespace hwenroll::keystore::tpm2 {
namespace {

TEST(SigningInput, a_digest_info_is_its_hash_and_digest) {
    const auto input = read_digest_info(test::digest_info("data"));
    ASSERT_TRUE(input);
    EXPECT_EQ(input->hash, TPM2_ALG_SHA256);
    EXPECT_EQ(input->digest, sha256(as_bytes("data")));
}

TEST(SigningInput, cut_or_changed_it_is_none) {
    const Bytes info = test::digest_info("data");
    for (std::size_t size = 0; size < info.size(); ++size) {
        EXPECT_FALSE(read_digest_info(ByteView(info).first(size))) << size;
    }
    for (std::size_t at = 0; at < info.size() - 32; ++at) {
        Bytes changed = info;
        changed[at] ^= 1U;
        EXPECT_FALSE(read_digest_info(changed)) << at;
    }
}

TEST(SigningInput, an_ecdsa_digest_keeps_its_value_in_the_length_of_a_hash) {
    const auto filled = ecdsa_input(Bytes(20, 1), 32);
    ASSERT_TRUE(filled);
    EXPECT_EQ(filled->hash, TPM2_ALG_SHA256);
    EXPECT_EQ(to_hex(filled->digest), std::string(24, '0') + to_hex(Bytes(20, 1)));
    const auto cut = ecdsa_input(Bytes(64, 1), 32);
    EXPECT_EQ(cut->digest, Bytes(32, 1));
    EXPECT_EQ(ecdsa_input(Bytes(64, 1), 48)->hash, TPM2_ALG_SHA384);
    EXPECT_EQ(ecdsa_input(Bytes(64, 1), 48)->digest, Bytes(48, 1));
    EXPECT_EQ(ecdsa_input(Bytes(32, 1), 48)->hash, TPM2_ALG_SHA256);
    EXPECT_FALSE(ecdsa_input(Bytes(19, 1), 32));
    EXPECT_FALSE(ecdsa_input(Bytes(65, 1), 32));
}

TEST(SigningInput, a_block_is_padded_to_the_modulus) {
    const auto block = pkcs1_block(Bytes(5, 0x42), 16);
    ASSERT_TRUE(block);
    EXPECT_EQ(to_hex(*block), "0001FFFFFFFFFFFFFFFF004242424242");
    EXPECT_FALSE(pkcs1_block(Bytes(6, 0x42), 16));
}

}  // namespace
}  // namespace hwenroll::keystore::tpm2
