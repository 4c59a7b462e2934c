// ECDSA signatures in the two forms that devices and certificates have.
#pragma once

#include "base/bytes.h"

namespace hwenroll::keystore {

/// DER Ecdsa-Sig-Value (RFC 3279 §2.2.3) of r and s, two big-endian numbers of the same length in a row (PKCS#11 v2.40
/// §2.3.1). Takes orders of up to 48 octets (P-384); empty for an odd or greater length or none.
Bytes ecdsa_signature_value(ByteView r_and_s);

}  // namespace hwenroll::keystore
