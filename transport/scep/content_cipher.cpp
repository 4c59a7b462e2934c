#include "transport/scep/content_cipher.h"

#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/provider.h>

namespace hwenroll::scep {

Result<ContentDecryptor> ContentDecryptor::load(const CipherInfo& info) {
    ContentDecryptor decryptor;
    if (info.cipher == ContentCipher::des) {
        decryptor.context_.reset(OSSL_LIB_CTX_new());
        decryptor.default_.reset(OSSL_PROVIDER_load(decryptor.context_.get(), "default"));
        decryptor.legacy_.reset(OSSL_PROVIDER_load(decryptor.context_.get(), "legacy"));
        if (!decryptor.default_ || !decryptor.legacy_) {
            return fail(ErrorCode::scep_algorithm, "single DES cannot be decrypted here",
                        "OpenSSL's legacy provider cannot be loaded: " + take_openssl_errors(),
                        "install the package openssl-provider-legacy, or enable AES on the CA");
        }
    }
    decryptor.cipher_.reset(EVP_CIPHER_fetch(decryptor.context_.get(), info.libcrypto_name, nullptr));
    if (!decryptor.cipher_) {
        return fail(ErrorCode::scep_algorithm,
                    fmt::format("{} cannot be decrypted by this system's OpenSSL", to_text(info.cipher)),
                    take_openssl_errors());
    }
    return decryptor;
}

Secret ContentDecryptor::decrypt(ByteView key, ByteView iv, ByteView encrypted) const {
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes plain(encrypted.size() + EVP_MAX_BLOCK_LENGTH);
    int size = 0;
    int tail = 0;
    const bool good = EVP_DecryptInit_ex2(context.get(), cipher_.get(), key.data(), iv.data(), nullptr) == 1 &&
                      EVP_DecryptUpdate(context.get(), plain.data(), &size, encrypted.data(),
                                        static_cast<int>(encrypted.size())) == 1 &&
                      EVP_DecryptFinal_ex(context.get(), plain.data() + size, &tail) == 1;
    ERR_clear_error();
    const std::size_t total = good ? static_cast<std::size_t>(size) + static_cast<std::size_t>(tail) : 0;
    wipe(std::span(plain).subspan(total));
    plain.resize(total);
    return Secret(std::move(plain));
}

}  // namespace hwenroll::scep
