// What a TPM says of a key that it holds, for somebody else to verify.
#pragma once

#include "base/bytes.h"

namespace hwenroll::keystore {

/// Longest nonce of a KeyEvidence, in octets: TPM2B_DATA holds a digest with its algorithm.
inline constexpr std::size_t max_evidence_nonce = 64;

/// TPM2_Certify's result (TPM 2.0 part 3 §18.2) with what its verifier needs beside the nonce. All octets are in the
/// TPM's own encoding, as tpm2-tools writes and reads them; none is secret.
struct KeyEvidence {
    Bytes certify_info;        ///< TPMS_ATTEST, exactly what was signed: the nonce, the key's Name, the TPM's clock
    Bytes signature;           ///< TPMT_SIGNATURE over it by the attestation key
    Bytes key_public;          ///< TPM2B_PUBLIC of the key, whose Name stands in `certify_info`
    Bytes attestation_public;  ///< TPM2B_PUBLIC of the attestation key: restricted, so it signs nothing made outside
    Bytes attestation_key;     ///< the same key as SubjectPublicKeyInfo, for verifiers without a TPM's library
    Bytes ek_certificate;      ///< DER, the manufacturer's of the endorsement key; empty: none can be read
    friend bool operator==(const KeyEvidence&, const KeyEvidence&) = default;
};

}  // namespace hwenroll::keystore
