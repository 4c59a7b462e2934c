#include "keystore/openssl/self_test.h"

#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "base/openssl_ptr.h"

namespace hwenroll::keystore {
namespace {

constexpr std::size_t sample_size = 32;  // as long as the longest content key, AES-256's

Result<Bytes> encrypt(const PublicKey& key, ByteView plaintext) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    std::size_t size = 0;
    if (!context || EVP_PKEY_encrypt_init(context.get()) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_encrypt(context.get(), nullptr, &size, plaintext.data(), plaintext.size()) <= 0) {
        return fail(openssl_error("cannot encrypt to a new key"));
    }
    Bytes ciphertext(size);
    if (EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, plaintext.data(), plaintext.size()) <= 0) {
        return fail(openssl_error("cannot encrypt to a new key"));
    }
    ciphertext.resize(size);
    return ciphertext;
}

OpenSslPtr<EVP_PKEY> new_key_like(const PublicKey& key) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    EVP_PKEY* made = nullptr;
    if (!context || EVP_PKEY_keygen_init(context.get()) <= 0 || EVP_PKEY_generate(context.get(), &made) <= 0) {
        return nullptr;
    }
    return OpenSslPtr<EVP_PKEY>(made);
}

Result<Secret> agree_in_software(EVP_PKEY* own, const PublicKey& peer) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
    std::size_t size = 0;
    if (!context || EVP_PKEY_derive_init(context.get()) <= 0 ||
        EVP_PKEY_derive_set_peer(context.get(), peer.get()) <= 0 ||
        EVP_PKEY_derive(context.get(), nullptr, &size) <= 0) {
        return fail(openssl_error("cannot agree with a new key"));
    }
    Bytes agreed(size);
    if (EVP_PKEY_derive(context.get(), agreed.data(), &size) <= 0) {
        return fail(openssl_error("cannot agree with a new key"));
    }
    agreed.resize(size);
    return Secret(std::move(agreed));
}

/// Failures of the device rather than of the key.
bool token_in_trouble(ErrorCode code) {
    return code != ErrorCode::token_operation && code != ErrorCode::token_key_mismatch;
}

}  // namespace

Status opening_self_test(Token& token, const KeyReference& key) {
    if (!key.public_key.is_rsa()) {
        return {};
    }
    Bytes sample(sample_size);
    if (RAND_bytes(sample.data(), static_cast<int>(sample.size())) != 1) {
        return fail(openssl_error("cannot draw random octets"));
    }
    auto ciphertext = encrypt(key.public_key, sample);
    if (!ciphertext) {
        return fail(ciphertext.error());
    }
    auto opened = token.decrypt(key, DecryptMechanism::rsa_pkcs1, *ciphertext);
    if (!opened) {
        return token_in_trouble(opened.error().code())
                   ? fail(opened.error())
                   : fail(ErrorCode::token_self_test,
                          "the key cannot decrypt, so it could not open the answer of the CA", opened.error().why());
    }
    if (!equal(opened->reveal(), sample)) {
        return fail(ErrorCode::token_self_test, "the key decrypts to something else");
    }
    return {};
}

Status agreement_self_test(Token& token, const KeyReference& key) {
    if (!key.public_key.is_ec()) {
        return fail(ErrorCode::token_self_test, "the key cannot agree on secrets", "it is " + key.public_key.text());
    }
    const auto other = new_key_like(key.public_key);
    if (!other) {
        return fail(openssl_error("cannot make a key to agree with"));
    }
    const auto other_public = PublicKey::of(other.get());
    const auto expected = agree_in_software(other.get(), key.public_key);
    if (!other_public || !expected) {
        return fail(!other_public ? other_public.error() : expected.error());
    }
    const auto agreed = token.agree(key, *other_public);
    if (!agreed) {
        return token_in_trouble(agreed.error().code())
                   ? fail(agreed.error())
                   : fail(ErrorCode::token_self_test,
                          "the key cannot agree on secrets, so it could not open the answer of the CA",
                          agreed.error().why());
    }
    if (!equal(agreed->reveal(), expected->reveal())) {
        return fail(ErrorCode::token_self_test, "the key agrees on something else");
    }
    return {};
}

}  // namespace hwenroll::keystore
