#include "keystore/openssl/agreed_key.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/core_names.h>

#include "base/der.h"
#include "base/openssl_ptr.h"

namespace hwenroll::keystore {
namespace {

constexpr std::uint8_t sequence_tag = 0x30;
constexpr std::uint8_t octet_string_tag = 0x04;
constexpr std::uint8_t entity_u_info_tag = 0xA0;  // [0] EXPLICIT
constexpr std::uint8_t supp_pub_info_tag = 0xA2;  // [2] EXPLICIT
constexpr std::size_t largest_key = 64;           // wrapped keys of up to 512 bits
constexpr std::size_t largest_keying_material = 128;

struct Wrapping {
    std::uint8_t last_arc;  ///< of 2.16.840.1.101.3.4.1, the AES algorithms
    std::size_t key_size;   ///< octets of the key encryption key
    const char* cipher;     ///< libcrypto's name
};

constexpr std::array wrappings{Wrapping{5, 16, "AES-128-WRAP"}, Wrapping{25, 24, "AES-192-WRAP"},
                               Wrapping{45, 32, "AES-256-WRAP"}};

/// The parameters must be absent.
const Wrapping* wrapping_of(ByteView algorithm) {
    constexpr std::array<std::uint8_t, 12> begin{0x30, 0x0B, 0x06, 0x09, 0x60, 0x86,
                                                 0x48, 0x01, 0x65, 0x03, 0x04, 0x01};
    if (algorithm.size() != begin.size() + 1 || !std::equal(begin.begin(), begin.end(), algorithm.begin())) {
        return nullptr;
    }
    const auto found = std::find_if(wrappings.begin(), wrappings.end(),
                                    [&](const Wrapping& wrapping) { return wrapping.last_arc == algorithm.back(); });
    return found == wrappings.end() ? nullptr : &*found;
}

/// ECC-CMS-SharedInfo (RFC 5753 §7.2).
Bytes shared_info(const AgreedKey& agreed, std::size_t key_size) {
    Bytes content = agreed.wrap_algorithm;
    if (!agreed.user_keying_material.empty()) {
        Bytes octets;
        append_der(octets, octet_string_tag, agreed.user_keying_material);
        append_der(content, entity_u_info_tag, octets);
    }
    const std::array<std::uint8_t, 4> bits{0, 0, static_cast<std::uint8_t>(key_size * 8 >> 8U),
                                           static_cast<std::uint8_t>(key_size * 8)};
    Bytes octets;
    append_der(octets, octet_string_tag, bits);
    append_der(content, supp_pub_info_tag, octets);
    Bytes info;
    append_der(info, sequence_tag, content);
    return info;
}

tl::unexpected<Error> cannot_unwrap() {
    return fail(ErrorCode::token_operation, "a content key cannot be unwrapped");
}

Result<Secret> derive(const Secret& agreed_secret, const AgreedKey& agreed, std::size_t key_size) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_KDF> kdf(EVP_KDF_fetch(nullptr, "X963KDF", nullptr));
    const OpenSslPtr<EVP_KDF_CTX> context(EVP_KDF_CTX_new(kdf.get()));
    Bytes info = shared_info(agreed, key_size);
    std::string digest = agreed.digest;
    const ByteView secret = agreed_secret.reveal();
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<std::uint8_t*>(secret.data()), secret.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()), OSSL_PARAM_construct_end()};
    Bytes key(key_size);
    if (!context || EVP_KDF_derive(context.get(), key.data(), key.size(), parameters.data()) != 1) {
        return fail(openssl_error("cannot derive a key encryption key"));
    }
    return Secret(std::move(key));
}

Result<Secret> unwrap(const Secret& key, const Wrapping& wrapping, ByteView wrapped) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_CIPHER> cipher(EVP_CIPHER_fetch(nullptr, wrapping.cipher, nullptr));
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    if (!cipher || !context) {
        return fail(openssl_error("cannot unwrap a content key"));
    }
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    Bytes plain(wrapped.size() + 8);
    int size = 0;
    if (EVP_DecryptInit_ex2(context.get(), cipher.get(), key.reveal().data(), nullptr, nullptr) != 1 ||
        EVP_DecryptUpdate(context.get(), plain.data(), &size, wrapped.data(), static_cast<int>(wrapped.size())) != 1 ||
        size <= 0) {
        wipe(plain);
        return cannot_unwrap();
    }
    Secret content_key(ByteView(plain).first(static_cast<std::size_t>(size)));
    wipe(plain);
    return content_key;
}

}  // namespace

Result<Secret> open_agreed_key(Token& token, const KeyReference& key, const AgreedKey& agreed) {
    const Wrapping* const wrapping = wrapping_of(agreed.wrap_algorithm);
    const OpenSslPtr<EVP_MD> digest(EVP_MD_fetch(nullptr, agreed.digest.c_str(), nullptr));
    if (wrapping == nullptr || !digest) {
        return fail(ErrorCode::scep_algorithm, "a content key is wrapped in a way that is not supported",
                    wrapping == nullptr ? "only AES key wrap is" : "its key derivation is by an unknown hash");
    }
    constexpr std::size_t block = 8;
    // Of a size that nobody wraps the token is not asked.
    if (agreed.wrapped_key.size() % block != 0 || agreed.wrapped_key.size() < 3 * block ||
        agreed.wrapped_key.size() > largest_key + block ||
        agreed.user_keying_material.size() > largest_keying_material) {
        return cannot_unwrap();
    }
    const auto secret = token.agree(key, agreed.originator);
    if (!secret) {
        return fail(secret.error());
    }
    const auto key_encryption_key = derive(*secret, agreed, wrapping->key_size);
    return key_encryption_key ? unwrap(*key_encryption_key, *wrapping, agreed.wrapped_key)
                              : fail(key_encryption_key.error());
}

}  // namespace hwenroll::keystore
