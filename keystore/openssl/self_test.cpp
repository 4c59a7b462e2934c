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

}  // namespace hwenroll::keystore
