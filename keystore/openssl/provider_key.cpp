#include "keystore/openssl/provider_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <openssl/rsa.h>

namespace hwenroll::keystore::openssl {

namespace {

bool verifies(const PublicKey& key, ByteView input, ByteView signature) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), "provider=default"));
    // Without a digest EVP compares the whole value that RSA recovers with the DigestInfo.
    return context && EVP_PKEY_verify_init(context.get()) == 1 &&
           (!key.is_rsa() || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1) &&
           EVP_PKEY_verify(context.get(), signature.data(), signature.size(), input.data(), input.size()) == 1;
}

}  // namespace

ProviderKey::ProviderKey(std::shared_ptr<Token> token, const KeyReference& reference)
    : public_key_(reference.public_key), token_(std::move(token)), id_(reference.id), pem_(reference.pem) {}

template <class T>
Result<T> ProviderKey::kept(Result<T> outcome) {
    const std::lock_guard lock(mutex_);
    last_error_ = outcome ? std::nullopt : std::optional(outcome.error());
    return outcome;
}

Result<Bytes> ProviderKey::sign(ByteView input) {
    const SignMechanism mechanism = public_key_->is_rsa() ? SignMechanism::rsa_pkcs1 : SignMechanism::ecdsa;
    auto signature = token_->sign(KeyReference{id_, *public_key_, pem_}, mechanism, input);
    if (signature && !verifies(*public_key_, input, *signature)) {
        return kept<Bytes>(fail(ErrorCode::token_key_mismatch, "a signature from the token does not verify",
                                "made with another key, or the device is faulty"));
    }
    return kept(std::move(signature));
}

Result<Secret> ProviderKey::decrypt(DecryptMechanism mechanism, ByteView ciphertext) {
    return kept(token_->decrypt(KeyReference{id_, *public_key_, pem_}, mechanism, ciphertext));
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

namespace {

/// Whether a pad-mode parameter, which libcrypto passes as a number or as a text, says this.
bool says(const OSSL_PARAM& padding, int wanted_number, std::string_view wanted_name) {
    int number = 0;
    const char* name = nullptr;
    return padding.data_type == OSSL_PARAM_UTF8_STRING
               ? OSSL_PARAM_get_utf8_string_ptr(&padding, &name) == 1 && wanted_name == name
               : OSSL_PARAM_get_int(&padding, &number) == 1 && number == wanted_number;
}

int answer(OSSL_PARAM* padding, int number, const char* name) {
    if (padding == nullptr) {
        return 1;
    }
    return padding->data_type == OSSL_PARAM_UTF8_STRING ? OSSL_PARAM_set_utf8_string(padding, name)
                                                        : OSSL_PARAM_set_int(padding, number);
}

}  // namespace

int accept_only_pkcs1(const OSSL_PARAM* padding) {
    return padding == nullptr || says(*padding, RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15)
               ? 1
               : refuse(PROV_R_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE);
}

bool says_oaep(const OSSL_PARAM& padding) {
    return says(padding, RSA_PKCS1_OAEP_PADDING, OSSL_PKEY_RSA_PAD_MODE_OAEP);
}

int report_pkcs1(OSSL_PARAM* padding) {
    return answer(padding, RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15);
}

int report_oaep(OSSL_PARAM* padding) {
    return answer(padding, RSA_PKCS1_OAEP_PADDING, OSSL_PKEY_RSA_PAD_MODE_OAEP);
}

}  // namespace hwenroll::keystore::openssl
