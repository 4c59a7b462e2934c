// KEYMGMT of the built-in provider (provider-keymgmt(7)): holds and compares RSA and EC keys, exports public halves
// only.
#include <openssl/core_names.h>
#include <openssl/proverr.h>

#include "keystore/openssl/provider_key.h"

namespace hwenroll::keystore::openssl {

namespace {

ProviderKey& key_in(const void* data) {
    return *static_cast<const KeyHandle*>(data)->key;
}

void* make(void* /*provider*/) {
    return new KeyHandle{std::make_shared<ProviderKey>()};
}

void release(void* data) {
    delete static_cast<KeyHandle*>(data);
}

void* duplicate(const void* data, int /*selection*/) {
    return new KeyHandle(*static_cast<const KeyHandle*>(data));
}

int has(const void* data, int selection) {
    if (data == nullptr) {
        return 0;
    }
    const ProviderKey& key = key_in(data);
    const bool public_missing = (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 && !key.public_key();
    const bool private_missing = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && !key.has_private();
    return public_missing || private_missing ? 0 : 1;
}

/// By the public halves, since a private half cannot be looked at; by the curves when only these are asked for.
int match(const void* left, const void* right, int selection) {
    const auto& a = key_in(left).public_key();
    const auto& b = key_in(right).public_key();
    if (!a || !b) {
        return 0;
    }
    const bool equal = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0 ? EVP_PKEY_eq(a->get(), b->get()) == 1
                                                                      : EVP_PKEY_parameters_eq(a->get(), b->get()) == 1;
    return equal ? 1 : 0;
}

int import(void* data, const OSSL_PARAM parameters[], const char* type) {
    auto& handle = *static_cast<KeyHandle*>(data);
    if (const OSSL_PARAM* parameter = OSSL_PARAM_locate_const(parameters, key_parameter)) {
        const void* key = nullptr;
        std::size_t size = 0;
        if (OSSL_PARAM_get_octet_ptr(parameter, &key, &size) != 1 || key == nullptr) {
            return refuse(PROV_R_INVALID_KEY);
        }
        handle.key = *static_cast<const std::shared_ptr<ProviderKey>*>(key);
        return 1;
    }
    auto key = PublicKey::from_parameters(type, parameters);
    if (!key) {
        return refuse(PROV_R_INVALID_KEY);
    }
    handle.key->set_public(*std::move(key));
    return 1;
}

int import_rsa(void* data, int /*selection*/, const OSSL_PARAM parameters[]) {
    return import(data, parameters, "RSA");
}

int import_ec(void* data, int /*selection*/, const OSSL_PARAM parameters[]) {
    return import(data, parameters, "EC");
}

/// Refusing the private half makes EVP sign and decrypt here, without any property query. The default provider exports
/// the public half.
int export_key(void* data, int selection, OSSL_CALLBACK* callback, void* argument) {
    const ProviderKey& key = key_in(data);
    if (((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && key.has_private()) || !key.public_key()) {
        return 0;
    }
    return EVP_PKEY_export(key.public_key()->get(), EVP_PKEY_PUBLIC_KEY, callback, argument);
}

/// What an import takes and an export gives, for libcrypto's information.
const OSSL_PARAM* rsa_types(int selection) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0), OSSL_PARAM_END};
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : nullptr;
}

const OSSL_PARAM* ec_types(int selection) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0), OSSL_PARAM_END};
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : nullptr;
}

/// The public half in the default provider answers everything but the key's own parameter.
int get_parameters(void* data, OSSL_PARAM parameters[]) {
    const ProviderKey& key = key_in(data);
    if (OSSL_PARAM* const parameter = OSSL_PARAM_locate(parameters, key_parameter)) {
        if (OSSL_PARAM_set_octet_ptr(parameter, &key, sizeof(void*)) != 1) {
            return 0;
        }
    }
    return key.public_key() ? EVP_PKEY_get_params(key.public_key()->get(), parameters) : 1;
}

const OSSL_PARAM* rsa_gettable_parameters(void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0),
                                       OSSL_PARAM_octet_ptr(key_parameter, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

const OSSL_PARAM* ec_gettable_parameters(void* /*provider*/) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
                                       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                       OSSL_PARAM_octet_ptr(key_parameter, nullptr, 0),
                                       OSSL_PARAM_END};
    return types;
}

/// libcrypto asks for an operation's name at the start of every operation, then looks "RSA" or "EC" up in our provider
/// and caches what it finds where plain queries for that name find it too: 3.0's cache does not tell providers apart
/// when a query names none. An entry of default's made before ours is found first, so one is made here, again after
/// each time that the loading of some provider has emptied the cache. Ours in its place could neither generate nor
/// verify.
void cache_default_first(const char* type) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_KEYMGMT> cached(EVP_KEYMGMT_fetch(nullptr, type, nullptr));
}

const char* rsa_operation_name(int operation) {
    cache_default_first("RSA");
    return operation == OSSL_OP_SIGNATURE || operation == OSSL_OP_ASYM_CIPHER ? rsa_operation : nullptr;
}

const char* ec_operation_name(int operation) {
    cache_default_first("EC");
    return operation == OSSL_OP_SIGNATURE ? ec_operation : nullptr;
}

const OSSL_DISPATCH rsa_dispatch[] = {
    entry<OSSL_FUNC_keymgmt_new_fn>(OSSL_FUNC_KEYMGMT_NEW, make),
    entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, release),
    entry<OSSL_FUNC_keymgmt_dup_fn>(OSSL_FUNC_KEYMGMT_DUP, duplicate),
    entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, has),
    entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, match),
    entry<OSSL_FUNC_keymgmt_import_fn>(OSSL_FUNC_KEYMGMT_IMPORT, import_rsa),
    entry<OSSL_FUNC_keymgmt_import_types_fn>(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, rsa_types),
    entry<OSSL_FUNC_keymgmt_export_fn>(OSSL_FUNC_KEYMGMT_EXPORT, export_key),
    entry<OSSL_FUNC_keymgmt_export_types_fn>(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, rsa_types),
    entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_parameters),
    entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, rsa_gettable_parameters),
    entry<OSSL_FUNC_keymgmt_query_operation_name_fn>(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, rsa_operation_name),
    OSSL_DISPATCH{0, nullptr}};

const OSSL_DISPATCH ec_dispatch[] = {
    entry<OSSL_FUNC_keymgmt_new_fn>(OSSL_FUNC_KEYMGMT_NEW, make),
    entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, release),
    entry<OSSL_FUNC_keymgmt_dup_fn>(OSSL_FUNC_KEYMGMT_DUP, duplicate),
    entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, has),
    entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, match),
    entry<OSSL_FUNC_keymgmt_import_fn>(OSSL_FUNC_KEYMGMT_IMPORT, import_ec),
    entry<OSSL_FUNC_keymgmt_import_types_fn>(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, ec_types),
    entry<OSSL_FUNC_keymgmt_export_fn>(OSSL_FUNC_KEYMGMT_EXPORT, export_key),
    entry<OSSL_FUNC_keymgmt_export_types_fn>(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, ec_types),
    entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_parameters),
    entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, ec_gettable_parameters),
    entry<OSSL_FUNC_keymgmt_query_operation_name_fn>(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation_name),
    OSSL_DISPATCH{0, nullptr}};

}  // namespace

const OSSL_DISPATCH* const rsa_key_management = rsa_dispatch;
const OSSL_DISPATCH* const ec_key_management = ec_dispatch;

}  // namespace hwenroll::keystore::openssl
