// What the TPM's manufacturer has certified. Internal to keystore/tpm2.
#pragma once

#include "keystore/tpm2/connection.h"

namespace hwenroll::keystore::tpm2 {

/// Where a manufacturer leaves the certificate of the endorsement key (TCG EK Credential Profile 2.5 §2.2.1.4): for the
/// P-256 key, and for the RSA 2048 one.
inline constexpr TPM2_HANDLE ec_ek_certificate = 0x01C0000A;
inline constexpr TPM2_HANDLE rsa_ek_certificate = 0x01C00002;

/// The certificate at ec_ek_certificate, else the one at rsa_ek_certificate, in DER, without what may follow it in the
/// index. Empty if there is none that an empty authorization value reads, or what is there is no certificate. Nothing
/// is tried that the TPM may count (P2).
Outcome<Bytes> read_ek_certificate(Connection& connection);

}  // namespace hwenroll::keystore::tpm2
