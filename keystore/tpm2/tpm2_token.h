// A TPM 2.0, in this process. Only hwenroll-token and tests use it.
#pragma once

#include <memory>
#include <string>

#include "keystore/pin_source.h"
#include "keystore/token.h"
#include "keystore/token_options.h"
#include "keystore/vendor_gate.h"

namespace hwenroll::keystore {

/// A Token through tpm2-tss (ESAPI) and any TCTI. Each operation connects, loads parent, key and session, and flushes
/// them; between operations nothing is held in the TPM and no connection is open, so that others can use a TPM that has
/// no resource manager.
///
/// By `storage` a new key is a blob that the caller keeps (KeyReference::pem: generate() returns it, sign(), decrypt()
/// and look_up() need it, find() and destroy() know nothing of it), or a persistent object within the configured
/// handles, which find() and destroy() know by its id. Other programs' persistent keys are found too, under their
/// handle as id (four octets), and never destroyed. Keys bear no label.
///
/// A TPM has no login: login() keeps the authorization value for the uses of keys. What a key refuses is token_pin, and
/// not tried again with that key; once the file of a refused value has changed, uses of the key fail with
/// token_login_lost until prepare_login() and login() have read it. More errors of generate(): token_operation with the
/// kind of key for one that this TPM cannot make, token_pin_source for an authorization value of over 32 octets. More
/// errors of every use of a key: token_key_missing, also where the TPM was cleared or is another one, which the text
/// says. A TPM in lockout answers token_operation with Error::retry_after().
class Tpm2Token final : public Token {
 public:
    /// Touches neither the TPM nor the authorization value. `gate` is passed before the first way to the TPM is opened.
    Tpm2Token(Tpm2Options options, PinSource auth, VendorGate gate = {});
    ~Tpm2Token() override;

    Result<TokenDescription> describe() override;
    Result<LoginPreparation> prepare_login() override;
    LoginOutcome login(const LoginHistory& history) override;
    /// True where keys have an authorization value: each use gives it to the TPM, which may refuse and count it (P2).
    Result<bool> settle_login() override;
    Result<std::vector<KeyDescription>> list_keys() override;
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label) override;
    Result<std::optional<KeyDescription>> find(const KeyId& id) override;
    Result<KeyDescription> look_up(const KeyReference& key) override;
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) override;
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer) override;
    /// By TPM2_Certify with the attestation key of attestation_key.h. token_attest: the TPM cannot make that key, or
    /// its endorsement hierarchy is closed to us; nothing was asked of `key` then.
    Result<KeyEvidence> certify(const KeyReference& key, ByteView nonce) override;
    Status destroy(const KeyId& id) override;

 private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hwenroll::keystore
