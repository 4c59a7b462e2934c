// Signatures over octets, as CMS and PKCS#10 have them: PKCS#1 v1.5 with RSA keys, ECDSA with EC keys.
#pragma once

#include <string_view>

#include "base/public_key.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Signs with one private operation of `key`, whose public half is `public_key`. `what` is signed, for the message of
/// an error. Error code: crypto.
Result<Bytes> sign_octets(ByteView octets, EVP_PKEY* key, const PublicKey& public_key, Digest digest,
                          std::string_view what);

/// Whether `key` made `signature` over `octets`.
bool verify_octets(ByteView octets, ByteView signature, const PublicKey& key, Digest digest);

}  // namespace hwenroll::scep
