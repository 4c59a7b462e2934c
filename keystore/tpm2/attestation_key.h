// The key that says of other keys that they are in its TPM. Internal to keystore/tpm2.
#pragma once

#include "keystore/key_spec.h"
#include "keystore/tpm2/connection.h"

namespace hwenroll::keystore::tpm2 {

/// The template of the attestation key: P-256, signs by ECDSA with SHA-256, restricted (it signs nothing that was made
/// outside the TPM), cannot leave the TPM, noDA. Its unique field is 32 octets each: x says `hwenroll attestation key`
/// followed by zeros, y is zeros. A primary key is made of its template and its hierarchy's seed alone (TPM 2.0 part 1
/// §27.7.4): the same one each time, without anything to store, and none that other software makes.
TPM2B_PUBLIC attestation_key_template();

/// The key, loaded.
struct AttestationKey {
    Loaded object;  ///< its authorization value is empty
    TPM2B_PUBLIC public_area;
    PublicKey public_key;
};

/// Makes it in the endorsement hierarchy, whose seed outlives TPM2_Clear: one TPM, one key. There the TPM also tells
/// its clock's counters and its firmware's version as they are (part 1 §36.7). The hierarchy's authorization value must
/// be empty.
Outcome<AttestationKey> make_attestation_key(Connection& connection);

}  // namespace hwenroll::keystore::tpm2
