// A token behind a PKCS#11 module, in this process. Only hwenroll-token and tests use it: the module is vendor code.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keystore/pin_source.h"
#include "keystore/token.h"
#include "keystore/token_options.h"
#include "keystore/vendor_gate.h"

namespace hwenroll::keystore {

/// Every initialised token (CKF_TOKEN_INITIALIZED) that the module offers. Loads the module for the time of the call,
/// through `gate`. Error codes: token_module, token_operation, and those of the gate.
Result<std::vector<TokenDescription>> list_tokens(const std::string& module, const VendorGate& gate = {});

/// A Token through p11-kit and raw PKCS#11 v2.40 calls. The module is loaded with the first call that needs it; for
/// prepare_login() that is after the PIN has been read; a PIN command gets half of the login deadline. Errors of every
/// call also: config_value for a bad `uri`. A PIN that this object has seen refused is refused again without asking the
/// token, whatever the history says.
///
/// After the token itself has ended the login (removed card, another program's logout) key operations fail with
/// token_login_lost until prepare_login() and login() succeed again; nothing logs in by itself, but that a key with
/// CKA_ALWAYS_AUTHENTICATE (T14) gets its C_Login for each use, after a look at the token's flags. So it is after a
/// second signature or generation in a row that ended with CKR_GENERAL_ERROR, and after a generation whose two halves
/// share a handle: prepare_login() then loads the module anew, and the key that was made is found by its id (T17). Only
/// RSA keys and EC keys on named curves are listed, and of the latter only P-256 and P-384 are used.
class Pkcs11Token final : public Token {
 public:
    /// Touches neither the module nor the PIN. `gate` is passed before each loading of the module.
    Pkcs11Token(Pkcs11Options options, PinSource pin, VendorGate gate = {});

    /// Closes the session, which ends the login, then finalises and unloads the module.
    ~Pkcs11Token() override;

    Result<TokenDescription> describe() override;
    Result<LoginPreparation> prepare_login() override;
    LoginOutcome login(const LoginHistory& history) override;
    Result<bool> settle_login() override;
    Result<std::vector<KeyDescription>> list_keys() override;
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label) override;
    Result<std::optional<KeyDescription>> find(const KeyId& id) override;
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) override;
    /// A key with CKA_ALWAYS_AUTHENTICATE is refused: C_DeriveKey has no moment for its login.
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer) override;
    Status destroy(const KeyId& id) override;

 private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hwenroll::keystore
