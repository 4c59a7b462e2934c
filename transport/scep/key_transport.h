// How a content key reaches an RSA key: RSAES-PKCS1-v1_5 and RSAES-OAEP in CMS (RFC 8017 §7, RFC 3560, RFC 4055 §4.1).
#pragma once

#include "base/certificate.h"
#include "base/openssl_ptr.h"
#include "base/secret.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// One way of key transport. OAEP's hash is that of its mask generation too, and its label is empty.
struct KeyTransportScheme {
    KeyTransport transport = KeyTransport::pkcs1;
    Digest digest = Digest::sha1;  ///< of OAEP: SHA-1 or SHA-256; says nothing otherwise
    friend bool operator==(const KeyTransportScheme&, const KeyTransportScheme&) = default;
};

/// `RSAES-PKCS1-v1_5`, `RSAES-OAEP with SHA-256`.
std::string to_text(const KeyTransportScheme& scheme);

/// What a reply's keyEncryptionAlgorithm says. OAEP's parameters have to be there and to be read whole: nothing is
/// assumed in their place, PKCS#1 v1.5 least of all (ENV-18, SEC-10, BAD-99). An empty SEQUENCE stands for SHA-1 (RFC
/// 4055 §4.1). Error code: scep_algorithm.
Result<KeyTransportScheme> key_transport_of(const AlgorithmId& algorithm);

/// An encrypted content key, and the DER AlgorithmIdentifier of how it was encrypted.
struct WrappedKey {
    Bytes algorithm;
    Bytes encrypted_key;
};

/// Encrypts a content key for the RSA key of `recipient`: by PKCS#1 v1.5 (ALG-8) or by OAEP with SHA-256. Error code:
/// crypto.
Result<WrappedKey> wrap_key(const Secret& content_key, const Certificate& recipient, KeyTransport transport);

/// Sets `context`, which is ready to encrypt or decrypt, to `scheme`; false when its key does not take it. What
/// libcrypto says about that is left on its queue.
bool set_scheme(EVP_PKEY_CTX* context, const KeyTransportScheme& scheme);

}  // namespace hwenroll::scep
