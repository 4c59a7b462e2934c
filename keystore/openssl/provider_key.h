// The key of the built-in provider, and the parts that its operations share. Internal to keystore/openssl.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include "base/openssl_ptr.h"
#include "keystore/token.h"

namespace hwenroll::keystore::openssl {

inline constexpr const char* provider_name = "hwenroll-key";
inline constexpr const char* provider_property = "provider=hwenroll-key";

/// Operation names of our own: under default's names EVP would sometimes fetch ours for a verification and fail
/// (token-stack part 2 §3). KEYMGMT keeps the algorithm's real name, which EVP_PKEY_is_a and the encoders need.
inline constexpr const char* rsa_operation = "HWENROLL-KEY-RSA";
inline constexpr const char* ec_operation = "HWENROLL-KEY-EC";

/// Parameter that carries a ProviderKey into EVP_PKEY_fromdata and out of EVP_PKEY_get_params, as a pointer within
/// this process.
inline constexpr const char* key_parameter = "hwenroll-key";

/// An RSA or EC key: its public half as a key of the default provider, and the token that holds the private half unless
/// this is a copy of a public key that libcrypto made to compare. Shared by the EVP_PKEY and by the operations under
/// way; thread-safe once it is set up.
class ProviderKey {
 public:
    /// Without a public half until set_public().
    ProviderKey() = default;
    ProviderKey(std::shared_ptr<Token> token, const KeyReference& reference);

    void set_public(PublicKey key) { public_key_ = std::move(key); }

    /// Nothing only in a key that is being imported.
    [[nodiscard]] const std::optional<PublicKey>& public_key() const { return public_key_; }
    [[nodiscard]] bool has_private() const { return token_ != nullptr; }

    /// Longest signature, or longest plaintext of an RSA key, in octets.
    [[nodiscard]] std::size_t output_size() const {
        return static_cast<std::size_t>(EVP_PKEY_get_size(public_key_->get()));
    }

    /// Signs a DigestInfo (RSA) or a digest (EC) on the token and verifies the signature in software, so that neither a
    /// swapped handle (T7) nor a faulty device nor a broken worker gets a wrong signature out. Keeps the error.
    Result<Bytes> sign(ByteView input);

    /// Decrypts on the token. Keeps the error.
    Result<Secret> decrypt(DecryptMechanism mechanism, ByteView ciphertext);

    [[nodiscard]] std::optional<Error> last_error() const;

 private:
    template <class T>
    Result<T> kept(Result<T> outcome);

    std::optional<PublicKey> public_key_;
    std::shared_ptr<Token> token_;
    KeyId id_;
    std::string pem_;
    mutable std::mutex mutex_;
    std::optional<Error> last_error_;
};

/// What libcrypto holds as key data and passes to operations: one owner of a ProviderKey.
struct KeyHandle {
    std::shared_ptr<ProviderKey> key;
};

/// What the provider's contexts need to know: the library context that loaded it.
struct ProviderContext {
    OSSL_LIB_CTX* library = nullptr;
};

/// A dispatch table entry; libcrypto casts it back to the type that belongs to `id`.
template <class Function>
OSSL_DISPATCH entry(int id, Function* function) {
    return {id, reinterpret_cast<void (*)()>(function)};
}

/// Puts `error` on libcrypto's queue under `reason` (PROV_R_…).
void raise(int reason, const Error& error);

/// Puts a bare `reason` on libcrypto's queue and yields 0, the provider's word for failure.
int refuse(int reason);

/// Accepts a pad-mode parameter, number or text, only if it says PKCS#1 v1.5; PSS is not asked of tokens. Null is
/// accepted. Yields 1 or 0.
int accept_only_pkcs1(const OSSL_PARAM* padding);

/// Whether a pad-mode parameter says OAEP.
bool says_oaep(const OSSL_PARAM& padding);

/// Answer a question for the pad-mode; null is no question. Yield 1 or 0.
int report_pkcs1(OSSL_PARAM* padding);
int report_oaep(OSSL_PARAM* padding);

extern const OSSL_DISPATCH* const rsa_key_management;
extern const OSSL_DISPATCH* const ec_key_management;
extern const OSSL_DISPATCH* const rsa_signature;
extern const OSSL_DISPATCH* const ec_signature;
extern const OSSL_DISPATCH* const rsa_asym_cipher;

}  // namespace hwenroll::keystore::openssl
