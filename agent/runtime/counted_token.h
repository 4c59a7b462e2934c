// A token whose operations are counted.
#pragma once

#include <memory>

#include "agent/runtime/work_counts.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

/// Passes each call on and counts the operations that are begun, whatever comes of them. Logins are counted by who
/// knows whether one was tried. As thread-safe as the token.
class CountedToken final : public keystore::Token {
 public:
    /// `counts` outlives the token.
    CountedToken(std::shared_ptr<keystore::Token> token, WorkCounts& counts)
        : token_(std::move(token)), counts_(counts) {}

    Result<keystore::TokenDescription> describe() override { return token_->describe(); }
    Result<keystore::LoginPreparation> prepare_login() override { return token_->prepare_login(); }
    keystore::LoginOutcome login(const keystore::LoginHistory& history) override { return token_->login(history); }
    Result<bool> settle_login() override { return token_->settle_login(); }
    Result<std::vector<keystore::KeyDescription>> list_keys() override;
    Result<keystore::KeyDescription> generate(keystore::KeySpec spec, const keystore::KeyId& id,
                                              const std::string& label) override;
    Result<std::optional<keystore::KeyDescription>> find(const keystore::KeyId& id) override;
    Result<keystore::KeyDescription> look_up(const keystore::KeyReference& key) override;
    Result<Bytes> sign(const keystore::KeyReference& key, keystore::SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const keystore::KeyReference& key, keystore::DecryptMechanism mechanism,
                           ByteView ciphertext) override;
    Result<Secret> agree(const keystore::KeyReference& key, const PublicKey& peer) override;
    Result<keystore::KeyEvidence> certify(const keystore::KeyReference& key, ByteView nonce) override;
    Status destroy(const keystore::KeyId& id) override;

 private:
    std::shared_ptr<keystore::Token> token_;
    WorkCounts& counts_;
};

}  // namespace hwenroll::runtime
