#include "keystore/openssl/self_test.h"

#include <array>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "base/openssl_ptr.h"

namespace hwenroll::keystore {
namespace {

constexpr std::size_t sample_size = 32;  // as long as the longest content key, AES-256's

/// DER of DigestInfo up to the digest, for SHA-256 (RFC 8017 §9.2, note 1).
constexpr std::array<std::uint8_t, 19> digest_info_of_sha256{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                             0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

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

Status signing_self_test(Token& token, const KeyReference& key) {
    Bytes digest(sample_size);
    if (RAND_bytes(digest.data(), static_cast<int>(digest.size())) != 1) {
        return fail(openssl_error("cannot draw random octets"));
    }
    const bool rsa = key.public_key.is_rsa();
    Bytes input = digest;
    if (rsa) {
        input.assign(digest_info_of_sha256.begin(), digest_info_of_sha256.end());
        input.insert(input.end(), digest.begin(), digest.end());
    }
    const auto signature = token.sign(key, rsa ? SignMechanism::rsa_pkcs1 : SignMechanism::ecdsa, input);
    if (!signature) {
        return token_in_trouble(signature.error().code())
                   ? fail(signature.error())
                   : fail(ErrorCode::token_self_test, "the key cannot sign", signature.error().why());
    }
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.public_key.get(), nullptr));
    if (!context || EVP_PKEY_verify_init(context.get()) <= 0 ||
        (rsa && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0) ||
        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) <= 0) {
        return fail(openssl_error("cannot verify a signature"));
    }
    if (EVP_PKEY_verify(context.get(), signature->data(), signature->size(), digest.data(), digest.size()) != 1) {
        const OpenSslErrorScope dropped;
        return fail(ErrorCode::token_self_test, "the key's signature does not verify with its public half");
    }
    return {};
}

}  // namespace hwenroll::keystore
