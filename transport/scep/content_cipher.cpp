#include "transport/scep/content_cipher.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/provider.h>

namespace hwenroll::scep {

namespace {

/// The only library context that knows single DES. Made when it is needed first, which takes as long as a signature,
/// and kept, so that not every reply pays for it.
class SingleDes {
 public:
    /// Null when the legacy provider cannot be loaded; the next call tries again.
    static OSSL_LIB_CTX* context() {
        static std::mutex mutex;
        static SingleDes kept;
        const std::lock_guard lock(mutex);
        if (!kept.legacy_) {
            kept.load();
        }
        return kept.legacy_ ? kept.context_.get() : nullptr;
    }

 private:
    void load() {
        legacy_.reset();
        default_.reset();
        context_.reset(OSSL_LIB_CTX_new());
        // A null context would be the global one, which must not learn single DES.
        default_.reset(context_ ? OSSL_PROVIDER_load(context_.get(), "default") : nullptr);
        legacy_.reset(default_ ? OSSL_PROVIDER_load(context_.get(), "legacy") : nullptr);
    }

    // In this order, so that the context ends last.
    OpenSslPtr<OSSL_LIB_CTX> context_;
    OpenSslPtr<OSSL_PROVIDER> default_;
    OpenSslPtr<OSSL_PROVIDER> legacy_;
};

}  // namespace

Result<ContentDecryptor> ContentDecryptor::load(const CipherInfo& info) {
    OSSL_LIB_CTX* context = nullptr;
    if (info.cipher == ContentCipher::des) {
        context = SingleDes::context();
        if (context == nullptr) {
            return fail(ErrorCode::scep_algorithm, "single DES cannot be decrypted here",
                        "OpenSSL's legacy provider cannot be loaded: " + take_openssl_errors(),
                        "install the package openssl-provider-legacy, or enable AES on the CA");
        }
    }
    ContentDecryptor decryptor;
    decryptor.cipher_.reset(EVP_CIPHER_fetch(context, info.libcrypto_name, nullptr));
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
