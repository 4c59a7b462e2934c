// The keys of a token during one login. Internal to keystore/pkcs11.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keystore/pin_source.h"
#include "keystore/pkcs11/kept_pin.h"
#include "keystore/pkcs11/key_object.h"
#include "keystore/pkcs11/slot.h"

namespace hwenroll::keystore::pkcs11 {

/// The key operations of a Token, with recovery from dead sessions and handles as long as the login itself holds. The
/// contract of each function is Token's. Not thread-safe.
class TokenKeys {
 public:
    /// `session` must be logged in with `pin` if that is not empty. `name` is the token's name in the configuration.
    TokenKeys(std::string name, std::shared_ptr<Module> module, Slot slot, Session session, Pin pin);

    /// The token has ended our login; only a new one helps.
    [[nodiscard]] bool login_lost() const { return login_lost_; }

    /// The token has refused the PIN of a use (T14).
    [[nodiscard]] bool pin_refused() const { return pin_refused_; }

    /// Token::settle_login. The others need it done.
    Result<bool> settle_login();

    Result<std::vector<KeyDescription>> list();
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label);
    Result<std::optional<KeyDescription>> find(const KeyId& id);
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input);
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext);
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer);
    Status destroy(const KeyId& id);

 private:
    /// Why an attempt failed; `rv` is CKR_OK when no Cryptoki call did.
    struct Problem {
        Error error;
        CK_RV rv = CKR_OK;
    };
    template <class T>
    using Attempt = tl::expected<T, Problem>;

    /// A key whose handle is known and whose public key was read from it.
    struct KnownKey {
        KeyReference key;
        CK_OBJECT_HANDLE handle;
        bool login_per_use;  ///< CKA_ALWAYS_AUTHENTICATE
    };

    /// A key that was just generated, as read back.
    struct NewKey {
        KeyDescription key;
        CK_OBJECT_HANDLE handle;
        KeyPlacement placement;
    };

    [[nodiscard]] tl::unexpected<Problem> problem(const char* doing, const CallFailure& failure) const;
    [[nodiscard]] tl::unexpected<Problem> problem(ErrorCode code, const std::string& what, std::string why = {},
                                                  std::string next = {}) const;

    template <class T>
    Result<T> recovering(int tries, const std::function<Attempt<T>()>& attempt);
    Status renew_session(const Error& reason);
    [[nodiscard]] tl::unexpected<Error> login_ended(std::string why);
    bool is_hopeless(CK_RV rv);
    [[nodiscard]] tl::unexpected<Error> given_up(const char* doing, const Error& reason);
    Attempt<void> require_login();

    Attempt<std::vector<CK_OBJECT_HANDLE>> halves(CK_OBJECT_CLASS half, const KeyId& id);
    Attempt<std::optional<CK_OBJECT_HANDLE>> private_half(const KeyId& id);
    Attempt<KeyDescription> read(CK_OBJECT_HANDLE handle, const KeyId& id);
    Attempt<KnownKey> known(const KeyReference& key);
    Attempt<KnownKey> look_up(const KeyReference& key);
    Attempt<bool> any_login_per_use();
    Attempt<bool> wants_login_per_use(CK_OBJECT_HANDLE handle);
    Attempt<void> allow_use(const KnownKey& key);
    Attempt<void> log_in_for_use(const KnownKey& key);
    Attempt<Bytes> sign_once(const KeyReference& key, CK_MECHANISM_TYPE type, ByteView input,
                             std::size_t signature_size);
    Attempt<Secret> decrypt_once(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext);
    Attempt<Secret> agree_once(const KeyReference& key, ByteView point);
    Attempt<void> require_unused(const KeyId& id);
    Outcome<Session::KeyPair> generate_pair(KeySpec spec, const KeyId& id, const std::string& label);
    Attempt<NewKey> read_new(std::optional<CK_OBJECT_HANDLE> handle, const KeyId& id);
    Error reject_new(const KeyId& id, const Result<NewKey>& made);
    /// C_Sign; the token's own form of the signature.
    Result<Bytes> sign_raw(const KeyReference& key, CK_MECHANISM_TYPE type, ByteView input, std::size_t signature_size);
    Result<Bytes> sign_ecdsa(const KeyReference& key, ByteView digest);
    Attempt<void> destroy_once(const KeyId& id);
    Attempt<KnownKey> remember(const KeyReference& key, CK_OBJECT_HANDLE handle);

    std::string name_;
    std::shared_ptr<Module> module_;
    Slot slot_;
    Session session_;
    bool login_done_;
    bool login_lost_ = false;
    bool pin_refused_ = false;
    int hopeless_ = 0;              ///< signatures and generations in a row with CKR_GENERAL_ERROR
    Pin pin_;                       ///< until settle_login()
    bool pin_has_identity_;         ///< PinSourceIdentity: a refusal ends when its file changes
    std::optional<bool> per_use_;   ///< some key wants a login for each use; nothing: not settled
    std::optional<KeptPin> kept_;   ///< for those keys
    bool session_spoiled_ = false;  ///< an operation may still be active in it
    std::vector<KnownKey> known_;
};

}  // namespace hwenroll::keystore::pkcs11
