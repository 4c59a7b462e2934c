// The algorithms a request may use (RFC 8894 §2.9), and the legacy ones that only --allow-weak-requests lets through.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.h"
#include "tests/lab_ca/cms_syntax.h"
#include "tests/lab_ca/outcome.h"

namespace hwenroll::lab_ca {

struct DigestAlgorithm {
    std::string_view oid;
    const char* name;  ///< libcrypto's
    std::string_view rsa_signature_oid;
    std::string_view ecdsa_signature_oid;
    std::string_view capability;  ///< GetCACaps keyword
    bool weak;
};

struct ContentCipher {
    std::string_view oid;
    const char* name;  ///< libcrypto's
    std::size_t block;
    std::string_view capability;  ///< GetCACaps keyword; empty: none announces it
    bool weak;
};

/// The digest of that OID, or nullptr. MD5 is unknown here: RFC 8894 §2.9 forbids it.
const DigestAlgorithm* digest_of(std::string_view oid);

/// The digest or cipher of that name of libcrypto's, or nullptr.
const DigestAlgorithm* digest_by_name(std::string_view name);
const ContentCipher* cipher_by_name(std::string_view name);

/// The digest that an RSA or ECDSA signature algorithm OID names, or nullptr.
const DigestAlgorithm* digest_of_signature(std::string_view oid);

/// The cipher of that OID, or nullptr.
const ContentCipher* cipher_of(std::string_view oid);

/// What requests may use, and the libcrypto context with the ciphers for it. Movable.
class AlgorithmFloor {
 public:
    /// Only what RFC 8894 allows today.
    static AlgorithmFloor modern() { return {}; }

    /// Also SHA-1, single DES and 3DES: a private context with OpenSSL's legacy provider, so that nothing else in the
    /// process gains them. Error code: crypto.
    static Result<AlgorithmFloor> with_weak_algorithms();

    [[nodiscard]] bool allows_weak() const { return context_ != nullptr; }

    /// badAlg unless allowed.
    [[nodiscard]] Outcome<const DigestAlgorithm*> digest(const AlgorithmSyntax& algorithm) const;
    [[nodiscard]] Outcome<const ContentCipher*> cipher(const AlgorithmSyntax& algorithm) const;

    /// The context that has every allowed cipher; nullptr is the default one.
    [[nodiscard]] OSSL_LIB_CTX* context() const { return context_.get(); }

 private:
    AlgorithmFloor() = default;
    OpenSslPtr<OSSL_LIB_CTX> context_;
    std::vector<OpenSslPtr<OSSL_PROVIDER>> providers_;  // unloaded before the context ends
};

/// Whether `signature` verifies over `octets` under `key`. badAlg when the algorithms do not fit together or are below
/// the floor, badMessageCheck when it does not verify.
Outcome<void> verify_signature(const PublicKey& key, const AlgorithmSyntax& signature_algorithm,
                               const DigestAlgorithm& digest, ByteView octets, ByteView signature);

/// `ciphertext` under the content key that `recipient` holds for `key` (PKCS#1 v1.5). badAlg or badMessageCheck.
Outcome<Bytes> open_envelope(const EnvelopedDataSyntax& envelope, const RecipientSyntax& recipient, EVP_PKEY* key,
                             const AlgorithmFloor& floor);

}  // namespace hwenroll::lab_ca
