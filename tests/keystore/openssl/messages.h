// What a SCEP client makes with a key, made here with plain libcrypto calls.
#pragma once

#include <optional>
#include <string>

#include "base/certificate.h"

namespace hwenroll::keystore::test {

/// A PKCS#10 request for CN=web01 signed with `key`; null when signing fails.
OpenSslPtr<X509_REQ> make_request(EVP_PKEY* key);

/// A certificate for `subject_key` issued by `issuer_key` under the name CN=web01; null when signing fails.
OpenSslPtr<X509> make_certificate(EVP_PKEY* subject_key, EVP_PKEY* issuer_key);

/// SignedData over `text` with signed attributes and SHA-256, in DER; empty when signing fails.
Bytes make_signed_data(X509* certificate, EVP_PKEY* key, std::string_view text);

/// The content of SignedData whose signature verifies, parsed from DER; nothing otherwise. Trust is not checked.
std::optional<std::string> verified_content(ByteView signed_data);

/// PKCS#1 v1.5 encryption with the public half of `key`.
Bytes encrypt(EVP_PKEY* key, std::string_view text);

/// PKCS#1 v1.5 decryption with EVP_PKEY_decrypt; nothing when it fails.
std::optional<std::string> decrypt(EVP_PKEY* key, ByteView ciphertext);

}  // namespace hwenroll::keystore::test
