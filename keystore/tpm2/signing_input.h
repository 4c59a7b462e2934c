// What is signed, in the form that TPM2_Sign takes (TPM 2.0 part 3 §20.2). Internal to keystore/tpm2.
#pragma once

#include <optional>
#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"

namespace hwenroll::keystore::tpm2 {

/// A digest and the algorithm that a TPM is told to have made it.
struct SigningInput {
    TPM2_ALG_ID hash = TPM2_ALG_NULL;
    Bytes digest;
};

/// The digest in a DER DigestInfo (RFC 8017 §9.2) of SHA-1, SHA-256, SHA-384 or SHA-512; nothing for others.
std::optional<SigningInput> read_digest_info(ByteView digest_info);

/// `digest` for ECDSA on a curve whose order has `order_octets`. Only its leftmost bits count, as a number (FIPS 186-4
/// §6.4), so it is cut or filled with leading zeros to the length of a hash that every TPM with the curve knows.
/// Nothing for what is no digest of 20 to 64 octets.
std::optional<SigningInput> ecdsa_input(ByteView digest, std::size_t order_octets);

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): `digest_info` padded to the modulus, for a TPM that lacks its hash; nothing if it
/// does not fit.
std::optional<Bytes> pkcs1_block(ByteView digest_info, std::size_t modulus_octets);

}  // namespace hwenroll::keystore::tpm2
