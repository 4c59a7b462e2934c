#include "keystore/token.h"

namespace hwenroll::keystore {

Result<KeyDescription> Token::look_up(const KeyReference& key) {
    auto found = find(key.id);
    if (!found) {
        return fail(std::move(found.error()));
    }
    if (!*found) {
        return fail(ErrorCode::token_key_missing, "the token has no key with id " + to_hex(key.id.value));
    }
    if ((*found)->key.public_key != key.public_key) {
        return fail(ErrorCode::token_key_mismatch, "the token has another public key under id " + to_hex(key.id.value));
    }
    return **std::move(found);
}

Result<KeyEvidence> Token::certify(const KeyReference& key, ByteView /*nonce*/) {
    return fail(ErrorCode::token_attest, "the token was not asked for evidence of key " + to_hex(key.id.value),
                "it is no TPM that hwenroll drives itself");
}

}  // namespace hwenroll::keystore
