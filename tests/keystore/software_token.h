// The whole of keystore/token.h in memory: for tests of what stands above a token, and to break what no real token
// breaks on demand.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "base/openssl_ptr.h"
#include "keystore/pin_source.h"
#include "keystore/token.h"
#include "tests/keystore/software_key.h"

namespace hwenroll::keystore::test {

/// What is on a device: keys and a PIN. Outlives logins, as a device does; several SoftwareTokens may share one, as
/// programs share a device. Thread-safe where SoftwareToken uses it; a test sets its members while nobody else does.
struct SoftwareDevice {
    struct Key {
        KeyDescription description;
        OpenSslPtr<EVP_PKEY> pair;
    };

    std::string label = "memory";
    std::string pin;        ///< empty: it wants no login
    int most_tries = 3;     ///< refusals in a row that lock the PIN
    int refused = 0;        ///< in a row so far
    int refusals = 0;       ///< so far
    bool present = true;    ///< false: every call is token_absent
    std::size_t room = 16;  ///< keys that it can hold
    std::mutex mutex;
    std::list<Key> keys;
};

/// A token that keeps its keys, of every kind, in memory. tests/keystore/contract holds it to the contract.
class SoftwareToken final : public Token {
 public:
    /// Not logged in.
    SoftwareToken(std::shared_ptr<SoftwareDevice> device, PinSource pin);

    /// On a device of its own that wants no PIN, logged in, with one key under the id 01.
    explicit SoftwareToken(KeySpec spec = KeySpec::rsa_2048);

    /// The first key of the device.
    [[nodiscard]] KeyReference key() const;

    /// From now on sign, decrypt and agree fail like this; nothing for success.
    void fail_with(std::optional<Error> error) { error_ = std::move(error); }

    /// From now on another key stands behind key(), as behind a swapped handle (T7).
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
    [[nodiscard]] TokenDescription description() const;
    [[nodiscard]] Status present();
    [[nodiscard]] Status usable();
    [[nodiscard]] Result<EVP_PKEY*> use(const KeyReference& key);
    LoginOutcome judge(Pin pin);

    std::shared_ptr<SoftwareDevice> device_;
    PinSource pin_;
    std::optional<Pin> prepared_;
    bool logged_in_ = false;
    std::optional<Error> error_;
};

}  // namespace hwenroll::keystore::test
