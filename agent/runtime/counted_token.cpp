#include "agent/runtime/counted_token.h"

namespace hwenroll::runtime {

Result<std::vector<keystore::KeyDescription>> CountedToken::list_keys() {
    counts_.count(TokenOperation::list);
    return token_->list_keys();
}

Result<keystore::KeyDescription> CountedToken::generate(keystore::KeySpec spec, const keystore::KeyId& id,
                                                        const std::string& label) {
    counts_.count(TokenOperation::generate);
    return token_->generate(spec, id, label);
}

Result<std::optional<keystore::KeyDescription>> CountedToken::find(const keystore::KeyId& id) {
    counts_.count(TokenOperation::find);
    return token_->find(id);
}

Result<keystore::KeyDescription> CountedToken::look_up(const keystore::KeyReference& key) {
    counts_.count(TokenOperation::find);
    return token_->look_up(key);
}

Result<Bytes> CountedToken::sign(const keystore::KeyReference& key, keystore::SignMechanism mechanism, ByteView input) {
    counts_.count(TokenOperation::sign);
    return token_->sign(key, mechanism, input);
}

Result<Secret> CountedToken::decrypt(const keystore::KeyReference& key, keystore::DecryptMechanism mechanism,
                                     ByteView ciphertext) {
    counts_.count(TokenOperation::decrypt);
    return token_->decrypt(key, mechanism, ciphertext);
}

Result<Secret> CountedToken::agree(const keystore::KeyReference& key, const PublicKey& peer) {
    counts_.count(TokenOperation::agree);
    return token_->agree(key, peer);
}

Result<keystore::KeyEvidence> CountedToken::certify(const keystore::KeyReference& key, ByteView nonce) {
    counts_.count(TokenOperation::certify);
    return token_->certify(key, nonce);
}

Status CountedToken::destroy(const keystore::KeyId& id) {
    counts_.count(TokenOperation::destroy);
    return token_->destroy(id);
}

}  // namespace hwenroll::runtime
