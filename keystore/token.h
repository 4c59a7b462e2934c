// The one interface to a device that keeps private keys.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "keystore/key_evidence.h"
#include "keystore/key_spec.h"

namespace hwenroll::keystore {

/// What a token says about itself without a login.
struct TokenDescription {
    std::string label;
    std::string manufacturer;
    std::string model;
    std::string serial;
    std::string uri;              ///< RFC 7512, token attributes only
    bool login_required = false;  ///< CKF_LOGIN_REQUIRED
    bool initialized = false;     ///< CKF_USER_PIN_INITIALIZED
    bool pin_count_low = false;   ///< CKF_USER_PIN_COUNT_LOW
    bool pin_final_try = false;   ///< CKF_USER_PIN_FINAL_TRY
    bool pin_locked = false;      ///< CKF_USER_PIN_LOCKED
    /// CKM_* numbers that it offers (PKCS#11 v2.40 §5.5). By describe() only; empty: not told, or a TPM.
    std::vector<std::uint64_t> mechanisms = {};
    /// Octets that are left for private objects; nothing: the token does not say, as most. By describe() only.
    std::optional<std::uint64_t> free_octets = {};
    friend bool operator==(const TokenDescription&, const TokenDescription&) = default;
};

/// Which file a PIN came from, so that a refused PIN is not tried again until the file changes. Never its contents or
/// a hash of them.
struct PinSourceIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;  ///< mtime, nanoseconds since the epoch
    std::int64_t changed_ns = 0;   ///< ctime, nanoseconds since the epoch
    friend bool operator==(const PinSourceIdentity&, const PinSourceIdentity&) = default;
};

/// What earlier logins allow now; read from durable state by the caller, who commits the intent to log in first.
struct LoginHistory {
    /// The source whose PIN the token refused last, if it was refused and no later login succeeded.
    std::optional<PinSourceIdentity> refused;
    /// A PIN from an exec: or credential: source was refused: only `hwenroll resume` clears it.
    bool refused_unidentified = false;
    /// A login was begun and its outcome is unknown (a crash): one repeat, only if the token reports neither
    /// COUNT_LOW nor FINAL_TRY.
    bool outcome_unknown = false;
};

/// What prepare_login() found, for the caller to check against its record and to commit with its intent.
struct LoginPreparation {
    std::optional<PinSourceIdentity> source;  ///< for file: sources, from fstat of the descriptor that was read
    TokenDescription token;                   ///< its `uri` says which device a refusal belongs to
    friend bool operator==(const LoginPreparation&, const LoginPreparation&) = default;
};

/// How a login ended. Errors of login() carry the same facts in their code; this is for the record.
struct LoginOutcome {
    /// unknown: the worker ended during the login, or C_Login failed without saying whether it judged the PIN; the
    /// committed intent stays open (LoginHistory::outcome_unknown).
    enum class Result : std::uint8_t { accepted = 1, refused = 2, not_tried = 3, unknown = 4 };
    Result result = Result::not_tried;
    std::optional<PinSourceIdentity> source;  ///< for file: sources
    std::optional<Error> error;               ///< present unless accepted
};

/// Signature mechanisms on data that software has prepared.
enum class SignMechanism : std::uint8_t {
    rsa_pkcs1 = 1,  ///< input: DER DigestInfo; CKM_RSA_PKCS (PKCS#11 v2.40 §2.1.6)
    /// Input: a digest of 20 to 64 octets; output: DER Ecdsa-Sig-Value (RFC 3279 §2.2.3); CKM_ECDSA (PKCS#11 v2.40
    /// §2.3.6).
    ecdsa = 2,
};

/// Decryption mechanisms. EC keys have none.
enum class DecryptMechanism : std::uint8_t {
    rsa_pkcs1 = 1,  ///< CKM_RSA_PKCS; input: exactly one modulus length of ciphertext
    /// RSAES-OAEP (RFC 8017 §7.1) with this hash in its mask generation too and without a label, not offered by every
    /// token; CKM_RSA_PKCS_OAEP (PKCS#11 v2.40 §2.1.8). Input as above.
    rsa_oaep_sha1 = 2,
    rsa_oaep_sha256 = 3,
};

/// A token: makes, finds, uses and destroys private keys that never leave it. Implementations serialise calls
/// themselves (one mutex around each whole operation) and may be called from any thread. Every call may block up to the
/// deadline of its class; WorkerToken guarantees the deadline, in-process tokens do not.
///
/// Errors of every call: token_module, token_absent, token_ambiguous, token_worker, token_deadline, token_protocol,
/// token_operation, token_login_lost; the two of the login also token_pin, token_pin_source, token_pin_locked,
/// token_pin_low. After token_login_lost only a new login helps.
class Token {
 public:
    Token() = default;
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    virtual ~Token() = default;

    /// Needs no login.
    virtual Result<TokenDescription> describe() = 0;

    /// All of a login that cannot cost a PIN try: reads the PIN from its source, then loads the module, finds the token
    /// and opens a session. Refuses a token whose PIN is locked or has its last try left. Ends an earlier login and
    /// replaces an earlier preparation. Whatever fails or hangs here is no login of unknown outcome.
    virtual Result<LoginPreparation> prepare_login() = 0;

    /// Logs in with what prepare_login() has made ready: at most one C_Login and no other call; settle_login() follows.
    /// Does nothing when already logged in. The caller has committed its intent before and records the outcome after
    /// (PIN rules of the design).
    virtual LoginOutcome login(const LoginHistory& history) = 0;

    /// After an accepted login: whether some key wants a login of its own for each use (CKA_ALWAYS_AUTHENTICATE, T14).
    /// Only then the PIN is kept, else it is wiped now at the latest; key operations settle by themselves. What a use's
    /// login yields is told by the operation's error: token_pin and token_pin_locked are a refusal, after which the PIN
    /// is gone and only a new login helps. token_pin_low and token_pin_source are no try.
    virtual Result<bool> settle_login() { return false; }

    /// Every private key on the token. Needs a login.
    virtual Result<std::vector<KeyDescription>> list_keys() = 0;

    /// Makes a key pair under an id that is not in use, reads its attributes back and destroys it again when it is not
    /// confined. A key that the token does not keep is in the result's KeyReference::pem and nowhere else: it is lost
    /// unless the caller keeps it. Needs a login. More errors: token_key_policy, token_full, token_key_mismatch (id in
    /// use).
    virtual Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label) = 0;

    /// The key with this id that the token keeps, or nothing. Half a pair (T18) counts as nothing. Needs a login.
    /// More errors: token_ambiguous.
    virtual Result<std::optional<KeyDescription>> find(const KeyId& id) = 0;

    /// The key that `key` names, as the token has it or as it can load it (KeyReference::pem). Needs a login. More
    /// errors: token_ambiguous, token_key_missing, token_key_mismatch. By find() here.
    virtual Result<KeyDescription> look_up(const KeyReference& key);

    /// Signs prepared data. A mechanism of another kind of key is refused with token_operation before the token is
    /// asked. Needs a login. More errors: token_key_missing, token_key_mismatch.
    virtual Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input) = 0;

    /// Decrypts. A padding failure is token_operation; the caller must not let its peer see which error it was
    /// (SEC-9). An EC key refuses with token_operation, and a token that does not offer the mechanism with
    /// scep_algorithm, whatever the ciphertext is. Needs a login. More errors: token_key_missing, token_key_mismatch.
    virtual Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) = 0;

    /// ECDH (SP 800-56A §5.7.1.2): the x coordinate of the point that the key shares with `peer`, as long as the
    /// curve's field, without any key derivation. An RSA key, and a peer on another curve, are refused with
    /// token_operation before the token is asked. Needs a login. More errors: token_key_missing, token_key_mismatch.
    virtual Result<Secret> agree(const KeyReference& key, const PublicKey& peer) = 0;

    /// Evidence that the token holds this key, over the caller's nonce of 1 to max_evidence_nonce octets. Needs a
    /// login. More errors: token_key_missing, token_key_mismatch, token_attest. By refusal here: token_attest.
    virtual Result<KeyEvidence> certify(const KeyReference& key, ByteView nonce);

    /// Removes both halves of the pair with this id (half a pair too) and lists again to be sure (T24). Nothing there
    /// is success, so it is for a key that the token does not keep: deleting its KeyReference::pem is the caller's.
    /// Needs a login.
    virtual Status destroy(const KeyId& id) = 0;
};

}  // namespace hwenroll::keystore
