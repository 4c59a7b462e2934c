// The signature of a KeyEvidence for software that knows no TPM.
#pragma once

#include "base/bytes.h"

namespace hwenroll::keystore {

/// DER Ecdsa-Sig-Value (RFC 3279 §2.2.3) of KeyEvidence::signature, a TPMT_SIGNATURE (TPM 2.0 part 2 §11.3.4) by ECDSA
/// with SHA-256 and P-256. Error code: token_protocol, for anything else.
Result<Bytes> evidence_signature_value(ByteView signature);

}  // namespace hwenroll::keystore
