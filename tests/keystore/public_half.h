// What tests do with the public half of a token's key, in software.
#pragma once

#include <ostream>
#include <string_view>

#include "keystore/key_spec.h"

namespace hwenroll::keystore {

/// Names test cases in ctest; GoogleTest finds it by the type's namespace.
void PrintTo(KeySpec spec, std::ostream* out);

}  // namespace hwenroll::keystore

namespace hwenroll::keystore::test {

/// 16 octets, all `fill`.
KeyId key_id(std::uint8_t fill);

/// SHA-256 of `text` as DigestInfo (RFC 8017 §9.2).
Bytes digest_info(std::string_view text);

/// SHA-256, SHA-384, … of `text`.
Bytes digest(const char* algorithm, std::string_view text);

/// PKCS#1 v1.5 over a DigestInfo, or ECDSA over a digest, in software.
bool verifies(const PublicKey& key, ByteView input, ByteView signature);

/// By PKCS#1 v1.5, or by OAEP with the hash `oaep` in both places (RFC 8017 §7).
Bytes encrypt(const PublicKey& key, std::string_view text, const EVP_MD* oaep = nullptr);

}  // namespace hwenroll::keystore::test
