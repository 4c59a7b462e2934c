// ASYM_CIPHER of the built-in provider (provider-asym_cipher(7)): RSAES-PKCS1-v1_5 and RSAES-OAEP decryption (RFC
// 8017 §7) on the token. Encryption is the default provider's.
#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/proverr.h>

#include "keystore/openssl/provider_key.h"

namespace hwenroll::keystore::openssl {

namespace {

struct CipherContext {
    std::shared_ptr<ProviderKey> key;
    bool oaep = false;
    std::string hash = "SHA1";  ///< of OAEP, RFC 8017's default
    std::string mask_hash;      ///< of its mask generation; empty: the same
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

/// Reads a text parameter into `text`, if it is there.
bool read_text(const OSSL_PARAM parameters[], const char* name, std::string& text) {
    const OSSL_PARAM* const parameter = OSSL_PARAM_locate_const(parameters, name);
    const char* value = nullptr;
    if (parameter == nullptr) {
        return true;
    }
    if (OSSL_PARAM_get_utf8_string_ptr(parameter, &value) != 1) {
        return false;
    }
    text = value;
    return true;
}

int set_parameters(void* data, const OSSL_PARAM parameters[]) {
    if (parameters == nullptr) {
        return 1;
    }
    CipherContext& context = context_in(data);
    if (!read_text(parameters, OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, context.hash) ||
        !read_text(parameters, OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, context.mask_hash)) {
        return refuse(PROV_R_INVALID_DIGEST);
    }
    const OSSL_PARAM* const padding = OSSL_PARAM_locate_const(parameters, OSSL_ASYM_CIPHER_PARAM_PAD_MODE);
    if (padding == nullptr) {
        return 1;
    }
    context.oaep = says_oaep(*padding);
    return context.oaep ? 1 : accept_only_pkcs1(padding);
}

int get_parameters(void* data, OSSL_PARAM parameters[]) {
    OSSL_PARAM* const padding = OSSL_PARAM_locate(parameters, OSSL_ASYM_CIPHER_PARAM_PAD_MODE);
    return context_in(data).oaep ? report_oaep(padding) : report_pkcs1(padding);
}

const OSSL_PARAM* parameter_types(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

/// Nothing for an OAEP that no token is asked for: another hash, or two of them.
std::optional<DecryptMechanism> mechanism_of(const CipherContext& context) {
    if (!context.oaep) {
        return DecryptMechanism::rsa_pkcs1;
    }
    const auto type_of = [](const std::string& name) {
        const EVP_MD* const known = EVP_get_digestbyname(name.c_str());
        return known == nullptr ? NID_undef : EVP_MD_get_type(known);
    };
    const int hash = type_of(context.hash);
    const bool one_hash = context.mask_hash.empty() || type_of(context.mask_hash) == hash;
    if (one_hash && hash == NID_sha1) {
        return DecryptMechanism::rsa_oaep_sha1;
    }
    return one_hash && hash == NID_sha256 ? std::optional(DecryptMechanism::rsa_oaep_sha256) : std::nullopt;
}

int decrypt_init(void* data, void* key, const OSSL_PARAM parameters[]) {
    CipherContext& context = context_in(data);
    context = CipherContext{context.key, false, "SHA1", {}};
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
    const auto mechanism = mechanism_of(context);
    if (!mechanism) {
        return refuse(PROV_R_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE);
    }
    const auto plain = context.key->decrypt(*mechanism, ByteView(input, input_size));
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
