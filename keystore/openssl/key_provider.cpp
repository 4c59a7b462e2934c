#include "keystore/openssl/key_provider.h"

#include <string_view>

#include <openssl/crypto.h>

#include "keystore/openssl/provider_key.h"

namespace hwenroll::keystore {

namespace {

using openssl::ProviderContext;
using openssl::ProviderKey;

const OSSL_ALGORITHM key_managements[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", openssl::provider_property, openssl::rsa_key_management, nullptr},
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", openssl::provider_property, openssl::ec_key_management, nullptr},
    {nullptr, nullptr, nullptr, nullptr}};
const OSSL_ALGORITHM signatures[] = {
    {openssl::rsa_operation, openssl::provider_property, openssl::rsa_signature, nullptr},
    {openssl::ec_operation, openssl::provider_property, openssl::ec_signature, nullptr},
    {nullptr, nullptr, nullptr, nullptr}};
const OSSL_ALGORITHM asym_ciphers[] = {
    {openssl::rsa_operation, openssl::provider_property, openssl::rsa_asym_cipher, nullptr},
    {nullptr, nullptr, nullptr, nullptr}};

const OSSL_ALGORITHM* query_operation(void* /*provider*/, int operation, int* no_cache) {
    *no_cache = 0;
    switch (operation) {
        case OSSL_OP_KEYMGMT:
            return key_managements;
        case OSSL_OP_SIGNATURE:
            return signatures;
        case OSSL_OP_ASYM_CIPHER:
            return asym_ciphers;
        default:
            return nullptr;
    }
}

void tear_down(void* provider) {
    delete static_cast<ProviderContext*>(provider);
}

const OSSL_DISPATCH provider_functions[] = {
    openssl::entry<OSSL_FUNC_provider_query_operation_fn>(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
    openssl::entry<OSSL_FUNC_provider_teardown_fn>(OSSL_FUNC_PROVIDER_TEARDOWN, tear_down), OSSL_DISPATCH{0, nullptr}};

extern "C" int hwenroll_key_provider_init(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* core,
                                          const OSSL_DISPATCH** functions, void** provider) {
    auto context = std::make_unique<ProviderContext>();
    for (; core->function_id != 0; ++core) {
        if (core->function_id == OSSL_FUNC_CORE_GET_LIBCTX) {
            // For a provider linked to the same libcrypto, the core's context is an OSSL_LIB_CTX (provider-base(7)).
            context->library = reinterpret_cast<OSSL_LIB_CTX*>(OSSL_FUNC_core_get_libctx(core)(handle));
        }
    }
    *provider = context.release();
    *functions = provider_functions;
    return 1;
}

/// Our references to the providers. libcrypto does not drop them in its own clean-up, so a handler does right before
/// it.
struct LoadedProviders {
    OpenSslPtr<OSSL_PROVIDER> standard;
    OpenSslPtr<OSSL_PROVIDER> own;
};

LoadedProviders& loaded_providers() {
    static auto* const providers =
        new LoadedProviders;  // outlives static destruction, which may come before the handler
    return *providers;
}

void unload_providers() {
    loaded_providers().own.reset();
    loaded_providers().standard.reset();
}

Status load_once() {
    LoadedProviders& loaded = loaded_providers();
    loaded.standard.reset(OSSL_PROVIDER_load(nullptr, "default"));
    if (!loaded.standard) {
        return fail(openssl_error("cannot load OpenSSL's default provider"));
    }
    // Once default's are in libcrypto's method store, a plain fetch prefers them to ours, whoever fetches first.
    const OpenSslPtr<EVP_KEYMGMT> preferred_rsa(EVP_KEYMGMT_fetch(nullptr, "RSA", "provider=default"));
    const OpenSslPtr<EVP_KEYMGMT> preferred_ec(EVP_KEYMGMT_fetch(nullptr, "EC", "provider=default"));
    if (!preferred_rsa || !preferred_ec ||
        OSSL_PROVIDER_add_builtin(nullptr, openssl::provider_name, hwenroll_key_provider_init) != 1) {
        return fail(openssl_error("cannot add the built-in key provider"));
    }
    loaded.own.reset(OSSL_PROVIDER_load(nullptr, openssl::provider_name));
    if (!loaded.own || OPENSSL_atexit(unload_providers) != 1) {
        return fail(openssl_error("cannot load the built-in key provider"));
    }
    return {};
}

}  // namespace

Status load_key_provider() {
    static const Status loaded = load_once();
    return loaded;
}

Result<OpenSslPtr<EVP_PKEY>> to_evp_pkey(std::shared_ptr<Token> token, const KeyReference& key) {
    if (const Status loaded = load_key_provider(); !loaded) {
        return fail(loaded.error());
    }
    if (!key.public_key.is_rsa() && !key.public_key.is_ec()) {
        return fail(ErrorCode::crypto, "cannot use a token key", key.public_key.text() + " is not supported");
    }
    const auto shared = std::make_shared<ProviderKey>(std::move(token), key);
    const void* pointer = &shared;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_ptr(openssl::key_parameter, const_cast<void**>(&pointer), sizeof pointer),
        OSSL_PARAM_construct_end()};
    const OpenSslPtr<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(nullptr, key.public_key.is_rsa() ? "RSA" : "EC", openssl::provider_property));
    EVP_PKEY* made = nullptr;
    if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, parameters) != 1) {
        return fail(openssl_error("cannot present a token key to OpenSSL"));
    }
    return OpenSslPtr<EVP_PKEY>(made);
}

std::optional<Error> last_key_error(EVP_PKEY* key) {
    const OSSL_PROVIDER* const provider = key == nullptr ? nullptr : EVP_PKEY_get0_provider(key);
    if (provider == nullptr || OSSL_PROVIDER_get0_name(provider) != std::string_view(openssl::provider_name)) {
        return std::nullopt;
    }
    void* pointer = nullptr;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_ptr(openssl::key_parameter, &pointer, 0),
                               OSSL_PARAM_construct_end()};
    if (EVP_PKEY_get_params(key, parameters) != 1 || pointer == nullptr) {
        return std::nullopt;
    }
    return static_cast<const ProviderKey*>(pointer)->last_error();
}

}  // namespace hwenroll::keystore
