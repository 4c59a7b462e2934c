// Digests as libcrypto and ASN.1 know them.
#pragma once

#include "base/openssl_ptr.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// libcrypto's digest; static lifetime.
const EVP_MD* message_digest(Digest digest);

/// Dotted object identifier (RFC 3370 §2.1, RFC 5754 §2).
const char* digest_oid(Digest digest);

/// Dotted object identifier of ECDSA with this digest (RFC 5758 §3.2, RFC 3279 §2.2.3).
const char* ecdsa_oid(Digest digest);

/// Dotted object identifier of RSASSA-PKCS1-v1_5 with this digest (RFC 8017 appendix A.2.4).
const char* rsa_oid(Digest digest);

/// The digest of `octets`. Error code: crypto.
Result<Bytes> digest_of(ByteView octets, Digest digest);

}  // namespace hwenroll::scep
