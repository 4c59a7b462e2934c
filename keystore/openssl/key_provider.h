// Token keys as EVP_PKEYs: a small OpenSSL 3 provider inside the program (ADR 0001).
#pragma once

#include <memory>

#include "base/openssl_ptr.h"
#include "keystore/token.h"

namespace hwenroll::keystore {

/// Loads `default` and then the built-in provider into the global library context. Idempotent and thread-safe; called
/// by to_evp_pkey. Error code: crypto.
Status load_key_provider();

/// An EVP_PKEY whose private operations run on `token` and whose public half lives in the default provider. Ordinary
/// X509_REQ_sign, X509_sign and CMS_sign work with it, with an RSA key EVP_PKEY_decrypt too; export of the private part
/// is refused. It does not verify or encrypt: for that take KeyReference::public_key, or the public key of a parsed
/// certificate or request (one that was built with this key answers this key). It keeps `token` alive; the last Error
/// of a private operation is kept for last_key_error(). Every signature is verified in software before it is given out
/// (T7). Use it on one thread at a time. Error code: crypto.
Result<OpenSslPtr<EVP_PKEY>> to_evp_pkey(std::shared_ptr<Token> token, const KeyReference& key);

/// Why the last private operation of `key` failed, or nothing if it succeeded or there was none. libcrypto's own error
/// queue hides such causes (token-stack part 1 §8, part 2 §6). Nothing for keys of other providers.
std::optional<Error> last_key_error(EVP_PKEY* key);

}  // namespace hwenroll::keystore
