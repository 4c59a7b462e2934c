// What libcrypto's CMS cannot be brought to write: messages without signingTime, in BER, and sets in a given order.
#pragma once

#include "tests/lab_ca/reply_shape.h"
#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {

/// Whether `reply` must be written here.
bool needs_own_writer(const CertRep& reply, const ReplyShape& shape);

/// A certificates-only SignedData whose certificates stand in the order of `certificates` (which DER would sort).
Bytes write_certificates_in_order(const std::vector<Certificate>& certificates);

/// SignedData over `content`, which is absent from the message when it is empty, as `shape` says. Error codes: crypto,
/// scep_structure.
Result<Bytes> write_shaped_rep(const CertRep& reply, ByteView content, const Certificate& signer, EVP_PKEY* key,
                               TimePoint now, const ReplyShape& shape);

}  // namespace hwenroll::lab_ca
