#include "transport/scep/content_encryption.h"

#include <utility>

#include <fmt/format.h>
#include <openssl/rand.h>

#include "transport/scep/der_writer.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

Result<EncryptedContent> encrypt_content(ByteView plaintext, const CipherInfo& info) {
    const OpenSslPtr<EVP_CIPHER> cipher(EVP_CIPHER_fetch(nullptr, info.libcrypto_name, nullptr));
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes key(info.key_size);
    Bytes iv(info.iv_size);
    Bytes octets(plaintext.size() + EVP_MAX_BLOCK_LENGTH);
    int size = 0;
    int tail = 0;
    const bool good =
        cipher && context && EVP_EncryptInit_ex2(context.get(), cipher.get(), nullptr, nullptr, nullptr) == 1 &&
        EVP_CIPHER_CTX_rand_key(context.get(), key.data()) == 1 &&
        RAND_bytes(iv.data(), static_cast<int>(iv.size())) == 1 &&
        EVP_EncryptInit_ex2(context.get(), nullptr, key.data(), iv.data(), nullptr) == 1 &&
        EVP_EncryptUpdate(context.get(), octets.data(), &size, plaintext.data(), static_cast<int>(plaintext.size())) ==
            1 &&
        EVP_EncryptFinal_ex(context.get(), octets.data() + size, &tail) == 1;
    EncryptedContent result{Secret(std::move(key)), std::move(iv), std::move(octets)};
    if (!good) {
        return fail(openssl_error(fmt::format("a request cannot be encrypted in {}", to_text(info.cipher))));
    }
    result.octets.resize(static_cast<std::size_t>(size) + static_cast<std::size_t>(tail));
    return result;
}

Bytes enveloped_data(std::uint8_t version, ByteView recipient_info, const EncryptedContent& content,
                     const CipherInfo& info) {
    const Bytes algorithm = der::constructed(
        der::tag_sequence, {der::object_identifier(info.oid), der::value(der::tag_octet_string, content.iv)});
    constexpr std::uint8_t encrypted_content = 0x80;  // [0] IMPLICIT OCTET STRING
    const Bytes content_info = der::constructed(der::tag_sequence, {der::object_identifier(oid_data), algorithm,
                                                                    der::value(encrypted_content, content.octets)});
    const Bytes body = der::constructed(
        der::tag_sequence, {der::small_integer(version), der::value(der::tag_set, recipient_info), content_info});
    return der::constructed(der::tag_sequence,
                            {der::object_identifier(oid_enveloped_data), der::value(der::tag_context(0), body)});
}

}  // namespace hwenroll::scep
