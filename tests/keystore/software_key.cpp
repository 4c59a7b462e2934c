#include "tests/keystore/software_key.h"

#include <openssl/rsa.h>

namespace hwenroll::keystore::test {

namespace {

tl::unexpected<Error> cannot(const char* what) {
    return fail(ErrorCode::token_operation, what, take_openssl_errors());
}

OpenSslPtr<EVP_PKEY_CTX> context_of(EVP_PKEY* key) {
    return OpenSslPtr<EVP_PKEY_CTX>(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
}

bool uses_pkcs1(EVP_PKEY_CTX* context) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
}

bool uses(EVP_PKEY_CTX* context, DecryptMechanism mechanism) {
    const EVP_MD* const hash = mechanism == DecryptMechanism::rsa_oaep_sha1 ? EVP_sha1() : EVP_sha256();
    return mechanism == DecryptMechanism::rsa_pkcs1
               ? uses_pkcs1(context)
               : EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_oaep_md(context, hash) == 1 &&
                     EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) == 1;
}

}  // namespace

OpenSslPtr<EVP_PKEY> make_software_key(KeySpec spec) {
    return OpenSslPtr<EVP_PKEY>(
        is_ec(spec) ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", spec == KeySpec::ec_p256 ? "P-256" : "P-384")
                    : EVP_RSA_gen(static_cast<std::size_t>(bits_of(spec))));
}

Result<Bytes> sign_in_software(EVP_PKEY* key, ByteView input) {
    const auto context = context_of(key);
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t size = signature.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 || (EVP_PKEY_is_a(key, "RSA") == 1 && !uses_pkcs1(context.get())) ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, input.data(), input.size()) != 1) {
        return cannot("cannot sign");
    }
    signature.resize(size);
    return signature;
}

Result<Secret> decrypt_in_software(EVP_PKEY* key, ByteView ciphertext, DecryptMechanism mechanism) {
    const auto context = context_of(key);
    Bytes plain(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t size = plain.size();
    if (EVP_PKEY_decrypt_init(context.get()) != 1 || !uses(context.get(), mechanism) ||
        EVP_PKEY_decrypt(context.get(), plain.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
        return cannot("cannot decrypt");
    }
    return Secret(ByteView(plain).first(size));
}

Result<Secret> agree_in_software(EVP_PKEY* key, const PublicKey& peer) {
    const auto context = context_of(key);
    std::size_t size = 0;
    if (EVP_PKEY_derive_init(context.get()) != 1 || EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
        return cannot("cannot agree");
    }
    Bytes secret(size);
    if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) {
        return cannot("cannot agree");
    }
    secret.resize(size);
    return Secret(std::move(secret));
}

}  // namespace hwenroll::keystore::test
