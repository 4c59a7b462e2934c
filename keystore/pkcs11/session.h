// A session with a token: the Cryptoki calls that we make, typed. Internal to keystore/pkcs11.
#pragma once

#include <memory>
#include <vector>

#include "base/secret.h"
#include "keystore/pkcs11/attributes.h"
#include "keystore/pkcs11/module.h"
#include "keystore/token.h"

namespace hwenroll::keystore::pkcs11 {

/// Closed on destruction; when it is the last one of this process with its token, that ends the login too (PKCS#11
/// v2.40 §5.6). No call is repeated here. Not thread-safe.
class Session {
 public:
    /// Opens a read-write session, or a read-only one on a write-protected token.
    static Outcome<Session> open(std::shared_ptr<Module> module, CK_SLOT_ID slot);

    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    Session(Session&& other) noexcept;
    Session& operator=(Session&& other) noexcept;
    ~Session();

    /// One C_Login as CKU_USER. CKR_USER_ALREADY_LOGGED_IN is success (T13).
    Outcome<void> login(const Secret& pin);

    /// The session is in a user state, says C_GetSessionInfo.
    Outcome<bool> is_logged_in();

    /// All objects that match.
    Outcome<std::vector<CK_OBJECT_HANDLE>> find(Attributes search);

    /// Fills `attributes`; what the token refuses or lacks stays empty, which is no failure.
    Outcome<void> read(CK_OBJECT_HANDLE object, Attributes& attributes);

    struct KeyPair {
        CK_OBJECT_HANDLE public_half = CK_INVALID_HANDLE;
        CK_OBJECT_HANDLE private_half = CK_INVALID_HANDLE;
    };
    /// By `type`, a mechanism without parameters.
    Outcome<KeyPair> generate(CK_MECHANISM_TYPE type, Attributes public_half, Attributes private_half);

    /// C_SignInit by `type`, a mechanism without parameters: CKM_RSA_PKCS over a DigestInfo, CKM_ECDSA over a digest.
    Outcome<void> begin_sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type);

    /// C_DecryptInit by CKM_RSA_PKCS or CKM_RSA_PKCS_OAEP.
    Outcome<void> begin_decrypt(CK_OBJECT_HANDLE key, DecryptMechanism mechanism);

    /// One C_Login as CKU_CONTEXT_SPECIFIC, for the operation that has begun: what a key with CKA_ALWAYS_AUTHENTICATE
    /// wants before each use (PKCS#11 v2.40 §4.9, §5.6).
    Outcome<void> login_for_use(ByteView pin);

    /// C_Sign. The token may answer with up to `signature_size` octets.
    Outcome<Bytes> sign(ByteView input, std::size_t signature_size);

    /// C_Decrypt; the ciphertext is one modulus long.
    Outcome<Secret> decrypt(ByteView ciphertext);

    /// How a peer's point is handed over: CKM_ECDH1_DERIVE takes it as octets, some modules only as a DER OCTET STRING
    /// (PKCS#11 v2.40 §2.3.7).
    enum class PointForm : std::uint8_t { octets, octet_string };

    /// C_DeriveKey by CKM_ECDH1_DERIVE without a key derivation function: a session object of `size` octets, which is
    /// read and destroyed again.
    Outcome<Secret> agree(CK_OBJECT_HANDLE key, ByteView point, PointForm form, std::size_t size);

    Outcome<void> destroy(CK_OBJECT_HANDLE object);

 private:
    Outcome<CK_OBJECT_HANDLE> derive(CK_OBJECT_HANDLE key, Bytes point, std::size_t size);
    Outcome<Secret> read_value(CK_OBJECT_HANDLE object, std::size_t size);
    Session(std::shared_ptr<Module> module, CK_SESSION_HANDLE handle) : module_(std::move(module)), handle_(handle) {}
    std::shared_ptr<Module> module_;
    CK_SESSION_HANDLE handle_;
};

}  // namespace hwenroll::keystore::pkcs11
