// SIGNATURE of the built-in provider (provider-signature(7)): RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) and ECDSA (FIPS 186-4
// §6.4), hashing in software, the private operation on the token. Verification is the default provider's.
#include <array>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/proverr.h>

#include "keystore/openssl/provider_key.h"

namespace hwenroll::keystore::openssl {

namespace {

constexpr const char* default_digest = "SHA256";

/// What distinguishes the two kinds of signature.
struct Scheme {
    int key_algorithm = NID_undef;
    int parameters = V_ASN1_UNDEF;  ///< of its AlgorithmIdentifiers
    bool padded = false;            ///< it signs a DigestInfo and knows a pad-mode
};

// RFC 4055 §5 and RFC 5758 §3.2: NULL for the one, absent for the other.
constexpr Scheme rsa_scheme{NID_rsaEncryption, V_ASN1_NULL, true};
constexpr Scheme ecdsa_scheme{NID_X9_62_id_ecPublicKey, V_ASN1_UNDEF, false};

struct SignatureContext {
    const Scheme* scheme = nullptr;
    OSSL_LIB_CTX* library = nullptr;
    std::string properties;
    std::shared_ptr<ProviderKey> key;
    std::shared_ptr<EVP_MD> digest;
    OpenSslPtr<EVP_MD_CTX> hashing;
};

SignatureContext& context_in(void* data) {
    return *static_cast<SignatureContext*>(data);
}

void* make(void* provider, const char* properties, const Scheme& scheme) {
    auto* const context = new SignatureContext;
    context->scheme = &scheme;
    context->library = static_cast<const ProviderContext*>(provider)->library;
    context->properties = properties == nullptr ? "" : properties;
    return context;
}

void* make_rsa(void* provider, const char* properties) {
    return make(provider, properties, rsa_scheme);
}

void* make_ecdsa(void* provider, const char* properties) {
    return make(provider, properties, ecdsa_scheme);
}

void release(void* data) {
    delete static_cast<SignatureContext*>(data);
}

void* duplicate(void* data) {
    const SignatureContext& from = context_in(data);
    auto copy = std::make_unique<SignatureContext>();
    copy->scheme = from.scheme;
    copy->library = from.library;
    copy->properties = from.properties;
    copy->key = from.key;
    copy->digest = from.digest;
    if (from.hashing) {
        copy->hashing.reset(EVP_MD_CTX_new());
        if (!copy->hashing || EVP_MD_CTX_copy_ex(copy->hashing.get(), from.hashing.get()) != 1) {
            return nullptr;
        }
    }
    return copy.release();
}

/// The OID of the signature with this digest (RFC 8017 appendix C, RFC 5758 §3.2), or NID_undef.
int signature_algorithm(const Scheme& scheme, const EVP_MD* digest) {
    int algorithm = NID_undef;
    OBJ_find_sigid_by_algs(&algorithm, EVP_MD_get_type(digest), scheme.key_algorithm);
    return algorithm;
}

int set_digest(SignatureContext& context, const char* name) {
    OpenSslPtr<EVP_MD> digest(
        EVP_MD_fetch(context.library, name, context.properties.empty() ? nullptr : context.properties.c_str()));
    if (!digest || signature_algorithm(*context.scheme, digest.get()) == NID_undef) {
        return refuse(PROV_R_INVALID_DIGEST);
    }
    context.digest = std::move(digest);
    return 1;
}

int set_parameters(void* data, const OSSL_PARAM parameters[]) {
    if (parameters == nullptr) {
        return 1;
    }
    if (const OSSL_PARAM* parameter = OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_DIGEST)) {
        const char* name = nullptr;
        if (OSSL_PARAM_get_utf8_string_ptr(parameter, &name) != 1 || set_digest(context_in(data), name) != 1) {
            return 0;
        }
    }
    const OSSL_PARAM* const padding = OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_PAD_MODE);
    return context_in(data).scheme->padded ? accept_only_pkcs1(padding) : 1;
}

const OSSL_PARAM* rsa_settable_parameters(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

const OSSL_PARAM* ecdsa_settable_parameters(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0), OSSL_PARAM_END};
    return types;
}

Bytes algorithm_identifier(const Scheme& scheme, const EVP_MD* digest) {
    const OpenSslPtr<X509_ALGOR> algorithm(X509_ALGOR_new());
    if (!algorithm || X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(signature_algorithm(scheme, digest)),
                                      scheme.parameters, nullptr) != 1) {
        return {};
    }
    return der_of([&](unsigned char** out) { return i2d_X509_ALGOR(algorithm.get(), out); });
}

int get_parameters(void* data, OSSL_PARAM parameters[]) {
    const SignatureContext& context = context_in(data);
    if (OSSL_PARAM* parameter = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_ALGORITHM_ID)) {
        const Bytes der = context.digest ? algorithm_identifier(*context.scheme, context.digest.get()) : Bytes();
        if (der.empty() || OSSL_PARAM_set_octet_string(parameter, der.data(), der.size()) != 1) {
            return 0;
        }
    }
    if (OSSL_PARAM* parameter = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_DIGEST)) {
        const char* const name = context.digest ? EVP_MD_get0_name(context.digest.get()) : "";
        if (OSSL_PARAM_set_utf8_string(parameter, name) != 1) {
            return 0;
        }
    }
    OSSL_PARAM* const padding = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_PAD_MODE);
    return context.scheme->padded ? report_pkcs1(padding) : 1;
}

const OSSL_PARAM* ecdsa_gettable_parameters(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0), OSSL_PARAM_END};
    return types;
}

const OSSL_PARAM* rsa_gettable_parameters(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

int sign_init(void* data, void* key, const OSSL_PARAM parameters[]) {
    SignatureContext& context = context_in(data);
    if (key != nullptr) {
        context.key = static_cast<const KeyHandle*>(key)->key;
    }
    if (!context.key || !context.key->has_private()) {
        return refuse(PROV_R_NOT_A_PRIVATE_KEY);
    }
    return set_parameters(data, parameters);
}

/// DigestInfo (RFC 8017 §9.2).
Bytes digest_info(const EVP_MD* digest, ByteView value) {
    const OpenSslPtr<X509_SIG> info(X509_SIG_new());
    if (!info) {
        return {};
    }
    X509_ALGOR* algorithm = nullptr;
    ASN1_OCTET_STRING* octets = nullptr;
    X509_SIG_getm(info.get(), &algorithm, &octets);
    if (X509_ALGOR_set0(algorithm, OBJ_nid2obj(EVP_MD_get_type(digest)), V_ASN1_NULL, nullptr) != 1 ||
        ASN1_OCTET_STRING_set(octets, value.data(), static_cast<int>(value.size())) != 1) {
        return {};
    }
    return der_of([&](unsigned char** out) { return i2d_X509_SIG(info.get(), out); });
}

/// Signs a digest value. Data that is no digest of the named kind is refused (TOK-11).
int sign(void* data, unsigned char* out, std::size_t* out_size, std::size_t capacity, const unsigned char* digest,
         std::size_t digest_size) {
    const SignatureContext& context = context_in(data);
    if (!context.key) {
        return refuse(PROV_R_NO_KEY_SET);
    }
    if (out == nullptr) {
        *out_size = context.key->output_size();
        return 1;
    }
    if (!context.digest || digest_size != static_cast<std::size_t>(EVP_MD_get_size(context.digest.get()))) {
        return refuse(PROV_R_INVALID_DIGEST_LENGTH);
    }
    if (capacity < context.key->output_size()) {
        return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    }
    const ByteView value(digest, digest_size);
    const auto signature =
        context.scheme->padded ? context.key->sign(digest_info(context.digest.get(), value)) : context.key->sign(value);
    if (!signature) {
        raise(PROV_R_FAILED_TO_SIGN, signature.error());
        return 0;
    }
    if (signature->size() > capacity) {
        return refuse(PROV_R_INVALID_SIGNATURE_SIZE);
    }
    std::memcpy(out, signature->data(), signature->size());
    *out_size = signature->size();
    return 1;
}

int digest_sign_init(void* data, const char* digest_name, void* key, const OSSL_PARAM parameters[]) {
    SignatureContext& context = context_in(data);
    if (digest_name != nullptr && *digest_name != '\0') {
        if (set_digest(context, digest_name) != 1) {
            return 0;
        }
    } else if (!context.digest && set_digest(context, default_digest) != 1) {
        return 0;
    }
    if (sign_init(data, key, parameters) != 1) {
        return 0;
    }
    context.hashing.reset(EVP_MD_CTX_new());
    return context.hashing && EVP_DigestInit_ex2(context.hashing.get(), context.digest.get(), nullptr) == 1 ? 1 : 0;
}

int digest_sign_update(void* data, const unsigned char* input, std::size_t size) {
    const SignatureContext& context = context_in(data);
    return context.hashing ? EVP_DigestUpdate(context.hashing.get(), input, size) : 0;
}

int digest_sign_final(void* data, unsigned char* out, std::size_t* out_size, std::size_t capacity) {
    const SignatureContext& context = context_in(data);
    if (out == nullptr) {
        return sign(data, nullptr, out_size, 0, nullptr, 0);
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (!context.hashing || EVP_DigestFinal_ex(context.hashing.get(), digest.data(), &size) != 1) {
        return 0;
    }
    return sign(data, out, out_size, capacity, digest.data(), size);
}

const OSSL_DISPATCH rsa_dispatch[] = {
    entry<OSSL_FUNC_signature_newctx_fn>(OSSL_FUNC_SIGNATURE_NEWCTX, make_rsa),
    entry<OSSL_FUNC_signature_freectx_fn>(OSSL_FUNC_SIGNATURE_FREECTX, release),
    entry<OSSL_FUNC_signature_dupctx_fn>(OSSL_FUNC_SIGNATURE_DUPCTX, duplicate),
    entry<OSSL_FUNC_signature_sign_init_fn>(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init),
    entry<OSSL_FUNC_signature_sign_fn>(OSSL_FUNC_SIGNATURE_SIGN, sign),
    entry<OSSL_FUNC_signature_digest_sign_init_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, digest_sign_init),
    entry<OSSL_FUNC_signature_digest_sign_update_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, digest_sign_update),
    entry<OSSL_FUNC_signature_digest_sign_final_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, digest_sign_final),
    entry<OSSL_FUNC_signature_get_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, get_parameters),
    entry<OSSL_FUNC_signature_gettable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, rsa_gettable_parameters),
    entry<OSSL_FUNC_signature_set_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_parameters),
    entry<OSSL_FUNC_signature_settable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, rsa_settable_parameters),
    OSSL_DISPATCH{0, nullptr}};

const OSSL_DISPATCH ecdsa_dispatch[] = {
    entry<OSSL_FUNC_signature_newctx_fn>(OSSL_FUNC_SIGNATURE_NEWCTX, make_ecdsa),
    entry<OSSL_FUNC_signature_freectx_fn>(OSSL_FUNC_SIGNATURE_FREECTX, release),
    entry<OSSL_FUNC_signature_dupctx_fn>(OSSL_FUNC_SIGNATURE_DUPCTX, duplicate),
    entry<OSSL_FUNC_signature_sign_init_fn>(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init),
    entry<OSSL_FUNC_signature_sign_fn>(OSSL_FUNC_SIGNATURE_SIGN, sign),
    entry<OSSL_FUNC_signature_digest_sign_init_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, digest_sign_init),
    entry<OSSL_FUNC_signature_digest_sign_update_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, digest_sign_update),
    entry<OSSL_FUNC_signature_digest_sign_final_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, digest_sign_final),
    entry<OSSL_FUNC_signature_get_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, get_parameters),
    entry<OSSL_FUNC_signature_gettable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS,
                                                      ecdsa_gettable_parameters),
    entry<OSSL_FUNC_signature_set_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_parameters),
    entry<OSSL_FUNC_signature_settable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,
                                                      ecdsa_settable_parameters),
    OSSL_DISPATCH{0, nullptr}};

}  // namespace

const OSSL_DISPATCH* const rsa_signature = rsa_dispatch;
const OSSL_DISPATCH* const ec_signature = ecdsa_dispatch;

}  // namespace hwenroll::keystore::openssl
