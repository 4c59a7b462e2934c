#include "keystore/tpm2/signing_input.h"

#include <algorithm>
#include <array>

namespace hwenroll::keystore::tpm2 {

namespace {

/// RFC 8017 §9.2 note 1: the DigestInfo of a hash but for its digest.
struct Prefix {
    TPM2_ALG_ID hash;
    std::size_t digest_size;
    std::size_t size;
    std::array<std::uint8_t, 19> octets;
};

constexpr std::array prefixes = {
    Prefix{TPM2_ALG_SHA1,
           20,
           15,
           {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14}},
    Prefix{TPM2_ALG_SHA256,
           32,
           19,
           {0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
            0x20}},
    Prefix{TPM2_ALG_SHA384,
           48,
           19,
           {0x30, 0x41, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04,
            0x30}},
    Prefix{TPM2_ALG_SHA512,
           64,
           19,
           {0x30, 0x51, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
            0x40}},
};

constexpr std::size_t shortest_digest = 20;
constexpr std::size_t longest_digest = 64;

}  // namespace

std::optional<SigningInput> read_digest_info(ByteView digest_info) {
    for (const Prefix& prefix : prefixes) {
        if (digest_info.size() == prefix.size + prefix.digest_size &&
            equal(digest_info.first(prefix.size), ByteView(prefix.octets).first(prefix.size))) {
            return SigningInput{prefix.hash, to_bytes(digest_info.subspan(prefix.size))};
        }
    }
    return std::nullopt;
}

std::optional<SigningInput> ecdsa_input(ByteView digest, std::size_t order_octets) {
    if (digest.size() < shortest_digest || digest.size() > longest_digest) {
        return std::nullopt;
    }
    const ByteView leftmost = digest.first(std::min(digest.size(), order_octets));
    const bool short_one = leftmost.size() <= TPM2_SHA256_DIGEST_SIZE;
    const std::size_t size = short_one ? TPM2_SHA256_DIGEST_SIZE : TPM2_SHA384_DIGEST_SIZE;
    SigningInput input{short_one ? TPM2_ALG_ID{TPM2_ALG_SHA256} : TPM2_ALG_ID{TPM2_ALG_SHA384},
                       Bytes(size - leftmost.size(), 0)};
    input.digest.insert(input.digest.end(), leftmost.begin(), leftmost.end());
    return input;
}

std::optional<Bytes> pkcs1_block(ByteView digest_info, std::size_t modulus_octets) {
    constexpr std::size_t least_padding = 11;
    if (digest_info.size() + least_padding > modulus_octets) {
        return std::nullopt;
    }
    Bytes block(modulus_octets - digest_info.size(), 0xFF);
    block.front() = 0;
    block[1] = 1;
    block.back() = 0;
    block.insert(block.end(), digest_info.begin(), digest_info.end());
    return block;
}

}  // namespace hwenroll::keystore::tpm2
