// Proof that a new key can do what SCEP will ask of it, before anything is sent (T20, TOK-4).
#pragma once

#include "keystore/token.h"

namespace hwenroll::keystore {

/// Encrypts 32 random octets to the key's own public half in software and has the token decrypt them (one use). Of a
/// key that is not RSA nothing is asked, since it opens nothing this way: its test is the CSR's signature.
/// Errors: token_self_test, and those of Token::decrypt when the token itself is in trouble (worker, deadline, absent).
Status opening_self_test(Token& token, const KeyReference& key);

/// The same for an EC key that is to open by key agreement (TOK-3): agrees with a key made for it in software, on both
/// sides (one use). Errors: token_self_test (also for a key of another kind), those of Token::agree when the token
/// itself is in trouble, crypto.
Status agreement_self_test(Token& token, const KeyReference& key);

/// Has the token sign 32 random octets as if they were a SHA-256 digest and verifies that with the key's own public
/// half in software (one use). Errors: token_self_test, crypto, those of Token::sign when the token itself is in
/// trouble.
Status signing_self_test(Token& token, const KeyReference& key);

}  // namespace hwenroll::keystore
