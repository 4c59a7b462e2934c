// What a key is to be and how it is named on a token.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/public_key.h"
#include "base/result.h"

namespace hwenroll::keystore {

/// The kinds of key that can be generated. The numbers travel between processes and are never reused.
enum class KeySpec : std::uint8_t { rsa_2048 = 1, rsa_3072 = 2, rsa_4096 = 3, ec_p256 = 4, ec_p384 = 5 };

/// `rsa:2048`, `ec:p256`, as in the configuration.
std::string_view to_text(KeySpec spec);

/// Length in bits of the modulus or of the curve's field.
int bits_of(KeySpec spec);

/// A key on a curve rather than an RSA key.
bool is_ec(KeySpec spec);

/// Whether a key is of this kind.
bool matches(KeySpec spec, const PublicKey& key);

/// CKA_ID: 16 octets drawn by the caller and committed before generation, so that no crash leaves an unknown key
/// (design, "Keys stay on the device"). Foreign keys may have 1 to 64 octets.
struct KeyId {
    Bytes value;
    friend bool operator==(const KeyId&, const KeyId&) = default;
};

/// Longest KeyReference::pem, in octets; those of RSA 4096 keys have some 2,500.
inline constexpr std::size_t max_key_pem = 8192;

/// A key as it must be found again: by id *and* public key (T5, T7, T19).
struct KeyReference {
    KeyId id;
    PublicKey public_key;
    /// A key that its token does not keep itself: the key, wrapped so that this token alone can use it, as generate()
    /// has returned it. The caller keeps it (ADR 0011). For a TPM a TSS2 PRIVATE KEY, which other programs can read;
    /// empty for keys that are on their token.
    std::string pem{};
};

/// The attributes that make a key non-exportable, as read back from the token (PKCS#11 v2.40 §4.9, TPM 2.0 part 1 §15).
struct KeyProtection {
    bool sensitive = false;          ///< CKA_SENSITIVE
    bool extractable = true;         ///< CKA_EXTRACTABLE
    bool always_sensitive = false;   ///< CKA_ALWAYS_SENSITIVE
    bool never_extractable = false;  ///< CKA_NEVER_EXTRACTABLE
    bool local = false;              ///< CKA_LOCAL: generated on the token

    /// The key cannot have left the token and cannot leave it.
    [[nodiscard]] bool confined() const {
        return sensitive && !extractable && always_sensitive && never_extractable && local;
    }
    friend bool operator==(const KeyProtection&, const KeyProtection&) = default;
};

/// A key on a token.
struct KeyDescription {
    KeyReference key;
    std::string label;  ///< CKA_LABEL, as the token has it
    KeyProtection protection;
    bool can_sign = false;     ///< CKA_SIGN
    bool can_decrypt = false;  ///< CKA_DECRYPT
    bool can_derive = false;   ///< CKA_DERIVE: agrees on secrets (ECDH)
    std::string uri;           ///< RFC 7512 URI of the private key, without PIN
};

}  // namespace hwenroll::keystore
