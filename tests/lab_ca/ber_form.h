// CMS in BER of indefinite length, as servers in Java send it (SRV-12).
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace hwenroll::lab_ca {

/// The SignedData or EnvelopedData in `content_info` (DER) with indefinite lengths down to the content, and that in
/// OCTET STRINGs of at most 1000 octets. What is signed or hashed as it stands is left alone: certificates,
/// SignerInfos, RecipientInfos. Error code: scep_structure.
Result<Bytes> indefinite_form(ByteView content_info);

}  // namespace hwenroll::lab_ca
