// ASYM_CIPHER of the built-in provider (provider-asym_cipher(7)): RSAES-PKCS1-v1_5 decryption (RFC 8017 §7.2.2) on the
// token. Encryption is the default provider's.
#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/proverr.h>

#include "keystore/openssl/provider_key.h"

namespace hwenroll::keystore::openssl {

namespace {

struct CipherContext {
    std::shared_ptr<ProviderKey> key;
};

CipherContext& context_in(void* data) {
    return *static_cast<CipherContext*>(data);
}

void* make(void* /*provider*/) {
    return new CipherContext;
}

void release(void* data) {
    delete static_cast<CipherContext*>(data);
}

void* duplicate(void* data) {
    return new CipherContext(context_in(data));
}

int set_parameters(void* /*data*/, const OSSL_PARAM parameters[]) {
    if (parameters == nullptr) {
        return 1;
    }
    return accept_only_pkcs1(OSSL_PARAM_locate_const(parameters, OSSL_ASYM_CIPHER_PARAM_PAD_MODE));
}

int get_parameters(void* /*data*/, OSSL_PARAM parameters[]) {
    return report_pkcs1(OSSL_PARAM_locate(parameters, OSSL_ASYM_CIPHER_PARAM_PAD_MODE));
}

const OSSL_PARAM* parameter_types(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

int decrypt_init(void* data, void* key, const OSSL_PARAM parameters[]) {
    CipherContext& context = context_in(data);
    if (key != nullptr) {
        context.key = static_cast<const KeyHandle*>(key)->key;
    }
    if (!context.key || !context.key->has_private()) {
        return refuse(PROV_R_NOT_A_PRIVATE_KEY);
    }
    return set_parameters(data, parameters);
}

int decrypt(void* data, unsigned char* out, std::size_t* out_size, std::size_t capacity, const unsigned char* input,
            std::size_t input_size) {
    const CipherContext& context = context_in(data);
    if (!context.key) {
        return refuse(PROV_R_NO_KEY_SET);
    }
    if (out == nullptr) {
        *out_size = context.key->output_size();
        return 1;
    }
    const auto plain = context.key->decrypt(ByteView(input, input_size));
    if (!plain) {
        raise(PROV_R_FAILED_TO_DECRYPT, plain.error());
        return 0;
    }
    if (plain->size() > capacity) {
        return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    }
    const ByteView octets = plain->reveal();
    std::copy(octets.begin(), octets.end(), out);
    *out_size = octets.size();
    return 1;
}

const OSSL_DISPATCH dispatch[] = {
    entry<OSSL_FUNC_asym_cipher_newctx_fn>(OSSL_FUNC_ASYM_CIPHER_NEWCTX, make),
    entry<OSSL_FUNC_asym_cipher_freectx_fn>(OSSL_FUNC_ASYM_CIPHER_FREECTX, release),
    entry<OSSL_FUNC_asym_cipher_dupctx_fn>(OSSL_FUNC_ASYM_CIPHER_DUPCTX, duplicate),
    entry<OSSL_FUNC_asym_cipher_decrypt_init_fn>(OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT, decrypt_init),
    entry<OSSL_FUNC_asym_cipher_decrypt_fn>(OSSL_FUNC_ASYM_CIPHER_DECRYPT, decrypt),
    entry<OSSL_FUNC_asym_cipher_get_ctx_params_fn>(OSSL_FUNC_ASYM_CIPHER_GET_CTX_PARAMS, get_parameters),
    entry<OSSL_FUNC_asym_cipher_gettable_ctx_params_fn>(OSSL_FUNC_ASYM_CIPHER_GETTABLE_CTX_PARAMS, parameter_types),
    entry<OSSL_FUNC_asym_cipher_set_ctx_params_fn>(OSSL_FUNC_ASYM_CIPHER_SET_CTX_PARAMS, set_parameters),
    entry<OSSL_FUNC_asym_cipher_settable_ctx_params_fn>(OSSL_FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS, parameter_types),
    OSSL_DISPATCH{0, nullptr}};

}  // namespace

const OSSL_DISPATCH* const rsa_asym_cipher = dispatch;

}  // namespace hwenroll::keystore::openssl
