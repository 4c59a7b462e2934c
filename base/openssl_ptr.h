// Ownership of libcrypto objects: one deleter for each type, chosen by the type.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "base/result.h"

namespace hwenroll {

namespace detail {

/// The function that releases a libcrypto type; a type without one does not compile.
template <class T>
struct OpenSslRelease;

#define HWENROLL_OPENSSL_RELEASE(type, function)                           \
    template <>                                                            \
    struct OpenSslRelease<type> {                                          \
        void operator()(type* object) const noexcept { function(object); } \
    }

HWENROLL_OPENSSL_RELEASE(ASN1_OBJECT, ASN1_OBJECT_free);
HWENROLL_OPENSSL_RELEASE(ASN1_STRING, ASN1_STRING_free);  // also ASN1_INTEGER, ASN1_TIME and the other aliases
HWENROLL_OPENSSL_RELEASE(ASN1_TYPE, ASN1_TYPE_free);
HWENROLL_OPENSSL_RELEASE(BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free);
HWENROLL_OPENSSL_RELEASE(BIGNUM, BN_free);
HWENROLL_OPENSSL_RELEASE(BIO, BIO_free_all);
HWENROLL_OPENSSL_RELEASE(CMS_ContentInfo, CMS_ContentInfo_free);
HWENROLL_OPENSSL_RELEASE(EVP_CIPHER, EVP_CIPHER_free);
HWENROLL_OPENSSL_RELEASE(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free);
HWENROLL_OPENSSL_RELEASE(EVP_KEYMGMT, EVP_KEYMGMT_free);
HWENROLL_OPENSSL_RELEASE(EVP_KDF, EVP_KDF_free);
HWENROLL_OPENSSL_RELEASE(EVP_KDF_CTX, EVP_KDF_CTX_free);
HWENROLL_OPENSSL_RELEASE(EVP_MD, EVP_MD_free);
HWENROLL_OPENSSL_RELEASE(EVP_MD_CTX, EVP_MD_CTX_free);
HWENROLL_OPENSSL_RELEASE(EVP_PKEY, EVP_PKEY_free);
HWENROLL_OPENSSL_RELEASE(EVP_PKEY_CTX, EVP_PKEY_CTX_free);
HWENROLL_OPENSSL_RELEASE(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free);
HWENROLL_OPENSSL_RELEASE(GENERAL_NAME, GENERAL_NAME_free);
HWENROLL_OPENSSL_RELEASE(GENERAL_NAMES, GENERAL_NAMES_free);
HWENROLL_OPENSSL_RELEASE(OSSL_LIB_CTX, OSSL_LIB_CTX_free);
HWENROLL_OPENSSL_RELEASE(OSSL_PARAM, OSSL_PARAM_free);
HWENROLL_OPENSSL_RELEASE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free);
HWENROLL_OPENSSL_RELEASE(OSSL_PROVIDER, OSSL_PROVIDER_unload);
HWENROLL_OPENSSL_RELEASE(X509, X509_free);
HWENROLL_OPENSSL_RELEASE(X509_ALGOR, X509_ALGOR_free);
HWENROLL_OPENSSL_RELEASE(X509_ATTRIBUTE, X509_ATTRIBUTE_free);
HWENROLL_OPENSSL_RELEASE(X509_CRL, X509_CRL_free);
HWENROLL_OPENSSL_RELEASE(X509_EXTENSION, X509_EXTENSION_free);
HWENROLL_OPENSSL_RELEASE(X509_NAME, X509_NAME_free);
HWENROLL_OPENSSL_RELEASE(X509_REQ, X509_REQ_free);
HWENROLL_OPENSSL_RELEASE(X509_SIG, X509_SIG_free);
HWENROLL_OPENSSL_RELEASE(X509_STORE, X509_STORE_free);
HWENROLL_OPENSSL_RELEASE(X509_STORE_CTX, X509_STORE_CTX_free);

template <>
struct OpenSslRelease<STACK_OF(X509)> {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};
template <>
struct OpenSslRelease<STACK_OF(X509_EXTENSION)> {
    void operator()(STACK_OF(X509_EXTENSION) * stack) const noexcept {
        sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
    }
};
#undef HWENROLL_OPENSSL_RELEASE

struct OpenSslMemoryRelease {
    void operator()(void* memory) const noexcept { OPENSSL_free(memory); }
};

}  // namespace detail

/// Owns one libcrypto object.
template <class T>
using OpenSslPtr = std::unique_ptr<T, detail::OpenSslRelease<T>>;

/// Owns memory that libcrypto allocated and that is no object of its own.
template <class T>
using OpenSslMemory = std::unique_ptr<T, detail::OpenSslMemoryRelease>;

/// What libcrypto's error queue of this thread says, oldest first, and empties it. Empty when the queue is.
std::string take_openssl_errors();

/// Drops what is pushed on libcrypto's error queue of this thread during its lifetime; older entries stay. For calls
/// into code that leaves entries behind although it succeeded (PKCS#11 modules do).
class OpenSslErrorScope {
 public:
    OpenSslErrorScope() noexcept;
    OpenSslErrorScope(const OpenSslErrorScope&) = delete;
    OpenSslErrorScope& operator=(const OpenSslErrorScope&) = delete;
    ~OpenSslErrorScope();
};

/// An Error (code E-CRYPTO) for a libcrypto call that failed, with the queue as its cause.
Error openssl_error(std::string what);

/// Calls an i2d function with its usual two-pass protocol and returns the DER; empty when it fails.
/// `encode` is called as `encode(unsigned char**)` and returns the length.
Bytes der_of(const std::function<int(unsigned char**)>& encode);

}  // namespace hwenroll
