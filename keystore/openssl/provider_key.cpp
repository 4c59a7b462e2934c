#include "keystore/openssl/provider_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <openssl/rsa.h>

namespace hwenroll::keystore::openssl {

namespace {

OpenSslPtr<BIGNUM> parameter_of(const PublicKey& key, const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key.get(), name, &number);
    return OpenSslPtr<BIGNUM>(number);
}

bool verifies(const PublicKey& key, ByteView digest_info, ByteView signature) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), "provider=default"));
    // Without a digest EVP compares the whole recovered value with the DigestInfo.
    return context && EVP_PKEY_verify_init(context.get()) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest_info.data(), digest_info.size()) ==
               1;
}

}  // namespace

ProviderKey::ProviderKey(std::shared_ptr<Token> token, const KeyReference& reference)
    : modulus_(parameter_of(reference.public_key, OSSL_PKEY_PARAM_RSA_N)),
      exponent_(parameter_of(reference.public_key, OSSL_PKEY_PARAM_RSA_E)),
      token_(std::move(token)),
      reference_(reference) {}

bool ProviderKey::set_public(OpenSslPtr<BIGNUM> modulus, OpenSslPtr<BIGNUM> exponent) {
    modulus_ = std::move(modulus);
    exponent_ = std::move(exponent);
    return has_public();
}

template <class T>
Result<T> ProviderKey::kept(Result<T> outcome) {
    const std::lock_guard lock(mutex_);
    last_error_ = outcome ? std::nullopt : std::optional(outcome.error());
    return outcome;
}

Result<Bytes> ProviderKey::sign(ByteView digest_info) {
    auto signature = token_->sign(*reference_, SignMechanism::rsa_pkcs1, digest_info);
    if (signature && !verifies(reference_->public_key, digest_info, *signature)) {
        return kept<Bytes>(fail(ErrorCode::token_key_mismatch, "a signature from the token does not verify",
                                "made with another key, or the device is faulty"));
    }
    return kept(std::move(signature));
}

Result<Secret> ProviderKey::decrypt(ByteView ciphertext) {
    return kept(token_->decrypt(*reference_, DecryptMechanism::rsa_pkcs1, ciphertext));
}

std::optional<Error> ProviderKey::last_error() const {
    const std::lock_guard lock(mutex_);
    return last_error_;
}

void raise(int reason, const Error& error) {
    ERR_raise_data(ERR_LIB_PROV, reason, "%s", error.line().c_str());
}

int refuse(int reason) {
    ERR_raise(ERR_LIB_PROV, reason);
    return 0;
}

int accept_only_pkcs1(const OSSL_PARAM* padding) {
    if (padding == nullptr) {
        return 1;
    }
    int number = RSA_PKCS1_PADDING;
    const char* name = OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
    const bool read = padding->data_type == OSSL_PARAM_UTF8_STRING ? OSSL_PARAM_get_utf8_string_ptr(padding, &name) == 1
                                                                   : OSSL_PARAM_get_int(padding, &number) == 1;
    return read && number == RSA_PKCS1_PADDING && std::string_view(name) == OSSL_PKEY_RSA_PAD_MODE_PKCSV15
               ? 1
               : refuse(PROV_R_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE);
}

int report_pkcs1(OSSL_PARAM* padding) {
    if (padding == nullptr) {
        return 1;
    }
    return padding->data_type == OSSL_PARAM_UTF8_STRING
               ? OSSL_PARAM_set_utf8_string(padding, OSSL_PKEY_RSA_PAD_MODE_PKCSV15)
               : OSSL_PARAM_set_int(padding, RSA_PKCS1_PADDING);
}

}  // namespace hwenroll::keystore::openssl
