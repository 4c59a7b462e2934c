// The content key of a message that was encrypted for an EC key by key agreement (RFC 5753 §3.1).
#pragma once

#include <string>

#include "keystore/token.h"

namespace hwenroll::keystore {

/// A KeyAgreeRecipientInfo's parts, as they stand in the message (RFC 5652 §6.2.2). All of them are public.
struct AgreedKey {
    PublicKey originator;  ///< the sender's ephemeral key
    std::string digest;    ///< libcrypto's name of the key derivation's hash: dhSinglePass-stdDH-NAMEkdf-scheme
    Bytes wrap_algorithm;  ///< DER AlgorithmIdentifier of AES key wrap (RFC 3565 §2.3.2)
    Bytes user_keying_material = {};  ///< ukm; empty: the message has none
    Bytes wrapped_key;                ///< encryptedKey of the recipient
};

/// Agrees with the originator on the token, derives the key encryption key (ANSI X9.63, SharedInfo of RFC 5753 §7.2)
/// and unwraps the content key (RFC 3394). Whatever is wrong with what was wrapped is token_operation, as bad padding
/// is for an RSA key, and must not be told from it (SEC-9). Errors also: scep_algorithm for another wrapping or hash,
/// those of Token::agree.
Result<Secret> open_agreed_key(Token& token, const KeyReference& key, const AgreedKey& agreed);

}  // namespace hwenroll::keystore
