// A key pair in memory: what a token's key does, computed by libcrypto.
#pragma once

#include "base/openssl_ptr.h"
#include "base/secret.h"
#include "keystore/token.h"

namespace hwenroll::keystore::test {

/// A key pair of this kind in memory.
OpenSslPtr<EVP_PKEY> make_software_key(KeySpec spec);

/// PKCS#1 v1.5 over a DigestInfo, or ECDSA over a digest, by the key's kind. Error code: token_operation.
Result<Bytes> sign_in_software(EVP_PKEY* key, ByteView input);

/// RFC 8017 §7. Error code: token_operation.
Result<Secret> decrypt_in_software(EVP_PKEY* key, ByteView ciphertext,
                                   DecryptMechanism mechanism = DecryptMechanism::rsa_pkcs1);

/// The x coordinate of the point that the two share. Error code: token_operation.
Result<Secret> agree_in_software(EVP_PKEY* key, const PublicKey& peer);

}  // namespace hwenroll::keystore::test
