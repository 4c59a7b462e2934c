// PasswordRecipientInfo (RFC 5652 §6.2.4): a content key that is wrapped under a password, here the challenge.
#pragma once

#include "transport/scep/content_encryption.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// Borrowed from the message.
struct PasswordRecipient {
    AlgorithmId derivation;  ///< keyDerivationAlgorithm
    AlgorithmId encryption;  ///< keyEncryptionAlgorithm
    Bytes wrapped_key;       ///< encryptedKey
};

/// Reads a RecipientInfo of the choice pwri. Error code: scep_envelope.
Result<PasswordRecipient> read_password_recipient(const BerValue& value);

/// What an unwrapping came to.
struct PasswordKey {
    Secret key;  ///< as long as was asked for; a random one where the password does not open what is wrapped (SEC-9)
    std::uint32_t iterations = 0;
};

/// Derives the key encryption key from `password` by PBKDF2 (RFC 8018 §5.2) and takes a content key of `key_size`
/// octets out of what id-alg-PWRI-KEK has wrapped (RFC 3211 §2.3.2). Errors: scep_algorithm (anything but PBKDF2 with
/// HMAC-SHA-1 or SHA-2, and AES in CBC mode, ENV-19), scep_envelope (parameters that are malformed, or more iterations
/// than `most_iterations`, BAD-100), crypto.
Result<PasswordKey> unwrap_by_password(const PasswordRecipient& recipient, const Secret& password, std::size_t key_size,
                                       std::uint32_t most_iterations);

/// Encodes a PasswordRecipientInfo for `content_key`: PBKDF2 with HMAC-SHA-256, a salt of 16 random octets and 100,000
/// iterations, AES no weaker than the content's (ENV-6). DER. Error code: crypto.
Result<Bytes> password_recipient_info(const Secret& content_key, const Secret& password, ContentCipher cipher);

}  // namespace hwenroll::scep
