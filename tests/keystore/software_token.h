// A Token whose key is in memory, to break what no real token breaks on demand.
#pragma once

#include "base/openssl_ptr.h"
#include "keystore/token.h"

namespace hwenroll::keystore::test {

/// A key pair of this kind in memory.
OpenSslPtr<EVP_PKEY> make_software_key(KeySpec spec);

/// One key under the id 01; only sign, decrypt and agree do anything. Its answers can be spoiled.
class SoftwareToken final : public Token {
 public:
    explicit SoftwareToken(KeySpec spec = KeySpec::rsa_2048);

    [[nodiscard]] KeyReference key() const { return key_; }

    /// From now on sign and decrypt fail like this; nothing for success.
    void fail_with(std::optional<Error> error) { error_ = std::move(error); }

    /// From now on another key signs, as behind a swapped handle (T7).
    void swap_key();

    Result<TokenDescription> describe() override;
    Result<LoginPreparation> prepare_login() override;
    LoginOutcome login(const LoginHistory& history) override;
    Result<std::vector<KeyDescription>> list_keys() override;
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label) override;
    Result<std::optional<KeyDescription>> find(const KeyId& id) override;
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) override;
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer) override;
    Status destroy(const KeyId& id) override;

 private:
    KeySpec spec_;
    OpenSslPtr<EVP_PKEY> private_;
    KeyReference key_;
    std::optional<Error> error_;
};

}  // namespace hwenroll::keystore::test
