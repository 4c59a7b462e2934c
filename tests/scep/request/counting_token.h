// A token in software that counts its private operations and can refuse them.
#pragma once

#include "keystore/openssl/key_provider.h"
#include "tests/scep/request/test_pki.h"

namespace hwenroll::test {

/// Only sign and decrypt do anything. One thread.
class CountingToken : public keystore::Token {
 public:
    explicit CountingToken(Key key) : key_(std::move(key)) {}

    int signatures = 0;
    int decryptions = 0;
    bool refuse = false;  ///< operations fail

    Result<keystore::TokenDescription> describe() override;
    Result<keystore::LoginPreparation> prepare_login() override;
    keystore::LoginOutcome login(const keystore::LoginHistory& history) override;
    Result<std::vector<keystore::KeyDescription>> list_keys() override;
    Result<keystore::KeyDescription> generate(keystore::KeySpec spec, const keystore::KeyId& id,
                                              const std::string& label) override;
    Result<std::optional<keystore::KeyDescription>> find(const keystore::KeyId& id) override;
    Result<Bytes> sign(const keystore::KeyReference& key, keystore::SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const keystore::KeyReference& key, keystore::DecryptMechanism mechanism,
                           ByteView ciphertext) override;
    Result<Secret> agree(const keystore::KeyReference& key, const PublicKey& peer) override;
    Status destroy(const keystore::KeyId& id) override;

 private:
    Key key_;
};

/// The EVP_PKEY that the agent would have for a key of `token`.
OpenSslPtr<EVP_PKEY> token_key(const std::shared_ptr<CountingToken>& token, const Key& key);

}  // namespace hwenroll::test
