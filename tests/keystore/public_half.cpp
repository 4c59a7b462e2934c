#include "tests/keystore/public_half.h"

#include <stdexcept>

#include <openssl/rsa.h>

namespace hwenroll::keystore {

void PrintTo(KeySpec spec, std::ostream* out) {
    *out << to_text(spec);
}

}  // namespace hwenroll::keystore

namespace hwenroll::keystore::test {

KeyId key_id(std::uint8_t fill) {
    return KeyId{Bytes(16, fill)};
}

Bytes digest_info(std::string_view text) {
    Bytes info = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    const Bytes digest = sha256(as_bytes(text));
    info.insert(info.end(), digest.begin(), digest.end());
    return info;
}

Bytes digest(const char* algorithm, std::string_view text) {
    Bytes value(EVP_MAX_MD_SIZE);
    std::size_t size = 0;
    if (EVP_Q_digest(nullptr, algorithm, nullptr, text.data(), text.size(), value.data(), &size) != 1) {
        throw std::runtime_error("cannot hash");
    }
    value.resize(size);
    return value;
}

bool verifies(const PublicKey& key, ByteView input, ByteView signature) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    return EVP_PKEY_verify_init(context.get()) == 1 &&
           (key.is_ec() || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1) &&
           EVP_PKEY_verify(context.get(), signature.data(), signature.size(), input.data(), input.size()) == 1;
}

Bytes encrypt(const PublicKey& key, std::string_view text, const EVP_MD* oaep) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
    std::size_t size = out.size();
    const ByteView in = as_bytes(text);
    if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), oaep == nullptr ? RSA_PKCS1_PADDING : RSA_PKCS1_OAEP_PADDING) !=
            1 ||
        (oaep != nullptr && EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), oaep) != 1) ||
        EVP_PKEY_encrypt(context.get(), out.data(), &size, in.data(), in.size()) != 1) {
        throw std::runtime_error("cannot encrypt");
    }
    return out;
}

}  // namespace hwenroll::keystore::test
