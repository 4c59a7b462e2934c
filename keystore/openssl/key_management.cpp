// KEYMGMT of the built-in provider (provider-keymgmt(7)): holds and compares RSA keys, exports public halves only.
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
    const bool public_missing = (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 && !key.has_public();
    const bool private_missing = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && !key.has_private();
    return public_missing || private_missing ? 0 : 1;
}

/// By the public halves, whatever is selected: a private half cannot be looked at.
int match(const void* left, const void* right, int /*selection*/) {
    const ProviderKey& a = key_in(left);
    const ProviderKey& b = key_in(right);
    return a.has_public() && b.has_public() && BN_cmp(a.modulus(), b.modulus()) == 0 &&
                   BN_cmp(a.exponent(), b.exponent()) == 0
               ? 1
               : 0;
}

OpenSslPtr<BIGNUM> number_in(const OSSL_PARAM parameters[], const char* name) {
    BIGNUM* number = nullptr;
    if (const OSSL_PARAM* parameter = OSSL_PARAM_locate_const(parameters, name)) {
        OSSL_PARAM_get_BN(parameter, &number);
    }
    return OpenSslPtr<BIGNUM>(number);
}

int import(void* data, int /*selection*/, const OSSL_PARAM parameters[]) {
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
    const bool complete = handle.key->set_public(number_in(parameters, OSSL_PKEY_PARAM_RSA_N),
                                                 number_in(parameters, OSSL_PKEY_PARAM_RSA_E));
    return complete ? 1 : refuse(PROV_R_INVALID_KEY);
}

/// Refusing the private half makes EVP sign and decrypt here, without any property query.
int export_key(void* data, int selection, OSSL_CALLBACK* callback, void* argument) {
    const ProviderKey& key = key_in(data);
    if (((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && key.has_private()) || !key.has_public()) {
        return 0;
    }
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, key.modulus()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, key.exponent()) != 1) {
        return 0;
    }
    const OpenSslPtr<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    return parameters ? callback(parameters.get(), argument) : 0;
}

const OSSL_PARAM* key_types(int selection) {
    static const OSSL_PARAM types[] = {OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0), OSSL_PARAM_END};
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : nullptr;
}

int set_number(OSSL_PARAM parameters[], const char* name, int value) {
    OSSL_PARAM* const parameter = OSSL_PARAM_locate(parameters, name);
    return parameter == nullptr ? 1 : OSSL_PARAM_set_int(parameter, value);
}

int set_big_number(OSSL_PARAM parameters[], const char* name, const BIGNUM* value) {
    OSSL_PARAM* const parameter = OSSL_PARAM_locate(parameters, name);
    return parameter == nullptr ? 1 : OSSL_PARAM_set_BN(parameter, value);
}

int get_parameters(void* data, OSSL_PARAM parameters[]) {
    const ProviderKey& key = key_in(data);
    if (OSSL_PARAM* const parameter = OSSL_PARAM_locate(parameters, key_parameter)) {
        if (OSSL_PARAM_set_octet_ptr(parameter, &key, sizeof(void*)) != 1) {
            return 0;
        }
    }
    if (OSSL_PARAM* const parameter = OSSL_PARAM_locate(parameters, OSSL_PKEY_PARAM_DEFAULT_DIGEST)) {
        if (OSSL_PARAM_set_utf8_string(parameter, "SHA256") != 1) {
            return 0;
        }
    }
    if (!key.has_public()) {
        return 1;
    }
    return set_number(parameters, OSSL_PKEY_PARAM_BITS, key.bits()) == 1 &&
                   set_number(parameters, OSSL_PKEY_PARAM_SECURITY_BITS, BN_security_bits(key.bits(), -1)) == 1 &&
                   set_number(parameters, OSSL_PKEY_PARAM_MAX_SIZE, static_cast<int>(key.modulus_size())) == 1 &&
                   set_big_number(parameters, OSSL_PKEY_PARAM_RSA_N, key.modulus()) == 1 &&
                   set_big_number(parameters, OSSL_PKEY_PARAM_RSA_E, key.exponent()) == 1
               ? 1
               : 0;
}

const OSSL_PARAM* gettable_parameters(void* /*provider*/) {
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

/// libcrypto asks this at the start of every operation, then looks "RSA" up in our provider and caches what it finds
/// where plain queries for "RSA" find it too: 3.0's cache does not tell providers apart when a query names none. An
/// entry of default's made before ours is found first, so one is made here, again after each time that the loading of
/// some provider has emptied the cache. Ours in its place could neither generate nor verify.
const char* operation_name(int operation) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_KEYMGMT> cached(EVP_KEYMGMT_fetch(nullptr, "RSA", nullptr));
    return operation == OSSL_OP_SIGNATURE || operation == OSSL_OP_ASYM_CIPHER ? rsa_operation : nullptr;
}

const OSSL_DISPATCH dispatch[] = {
    entry<OSSL_FUNC_keymgmt_new_fn>(OSSL_FUNC_KEYMGMT_NEW, make),
    entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, release),
    entry<OSSL_FUNC_keymgmt_dup_fn>(OSSL_FUNC_KEYMGMT_DUP, duplicate),
    entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, has),
    entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, match),
    entry<OSSL_FUNC_keymgmt_import_fn>(OSSL_FUNC_KEYMGMT_IMPORT, import),
    entry<OSSL_FUNC_keymgmt_import_types_fn>(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types),
    entry<OSSL_FUNC_keymgmt_export_fn>(OSSL_FUNC_KEYMGMT_EXPORT, export_key),
    entry<OSSL_FUNC_keymgmt_export_types_fn>(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types),
    entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_parameters),
    entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_parameters),
    entry<OSSL_FUNC_keymgmt_query_operation_name_fn>(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation_name),
    OSSL_DISPATCH{0, nullptr}};

}  // namespace

const OSSL_DISPATCH* const rsa_key_management = dispatch;

}  // namespace hwenroll::keystore::openssl
