#include "tests/lab_ca/algorithms.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/rsa.h>

#include "base/secret.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::string_view rsa_encryption = "1.2.840.113549.1.1.1";

constexpr std::array<DigestAlgorithm, 4> digests{{
    {"1.3.14.3.2.26", "SHA1", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "SHA-1", true},
    {"2.16.840.1.101.3.4.2.1", "SHA256", "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2", "SHA-256", false},
    {"2.16.840.1.101.3.4.2.2", "SHA384", "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3", "SHA-384", false},
    {"2.16.840.1.101.3.4.2.3", "SHA512", "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4", "SHA-512", false},
}};

constexpr std::array<ContentCipher, 5> ciphers{{
    {"2.16.840.1.101.3.4.1.2", "AES-128-CBC", 16, "AES", false},
    {"2.16.840.1.101.3.4.1.22", "AES-192-CBC", 16, "AES", false},
    {"2.16.840.1.101.3.4.1.42", "AES-256-CBC", 16, "AES", false},
    {"1.2.840.113549.3.7", "DES-EDE3-CBC", 8, "DES3", true},
    {"1.3.14.3.2.7", "DES-CBC", 8, "", true},
}};

tl::unexpected<Rejection> undecryptable() {
    take_openssl_errors();
    return reject(FailInfo::bad_message_check, "the envelope cannot be opened");
}

/// rsaEncryption names no digest (RFC 3370 §3.2); the others must name the SignerInfo's.
bool fits(std::string_view signature_oid, const DigestAlgorithm& digest, const PublicKey& key) {
    if (key.is_rsa()) {
        return signature_oid == rsa_encryption || signature_oid == digest.rsa_signature_oid;
    }
    return key.is_ec() && signature_oid == digest.ecdsa_signature_oid;
}

Outcome<Secret> content_key(const RecipientSyntax& recipient, EVP_PKEY* key) {
    if (recipient.key_algorithm.oid != rsa_encryption) {
        return reject(FailInfo::bad_alg,
                      fmt::format("key transport algorithm {} is not supported", recipient.key_algorithm.oid));
    }
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    const Bytes& in = recipient.encrypted_key;
    std::size_t size = 0;
    if (!context || EVP_PKEY_decrypt_init(context.get()) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_decrypt(context.get(), nullptr, &size, in.data(), in.size()) <= 0) {
        return undecryptable();
    }
    Bytes out(size);
    if (EVP_PKEY_decrypt(context.get(), out.data(), &size, in.data(), in.size()) <= 0) {
        return undecryptable();
    }
    const Secret whole(std::move(out));
    return Secret(whole.reveal().subspan(0, size));
}

}  // namespace

const DigestAlgorithm* digest_of(std::string_view oid) {
    const auto* found = std::find_if(digests.begin(), digests.end(), [&](const auto& d) { return d.oid == oid; });
    return found == digests.end() ? nullptr : found;
}

const DigestAlgorithm* digest_by_name(std::string_view name) {
    const auto* found = std::find_if(digests.begin(), digests.end(), [&](const auto& d) { return d.name == name; });
    return found == digests.end() ? nullptr : found;
}

const ContentCipher* cipher_by_name(std::string_view name) {
    const auto* found = std::find_if(ciphers.begin(), ciphers.end(), [&](const auto& c) { return c.name == name; });
    return found == ciphers.end() ? nullptr : found;
}

const DigestAlgorithm* digest_of_signature(std::string_view oid) {
    const auto* found = std::find_if(digests.begin(), digests.end(), [&](const auto& d) {
        return d.rsa_signature_oid == oid || d.ecdsa_signature_oid == oid;
    });
    return found == digests.end() ? nullptr : found;
}

const ContentCipher* cipher_of(std::string_view oid) {
    const auto* found = std::find_if(ciphers.begin(), ciphers.end(), [&](const auto& c) { return c.oid == oid; });
    return found == ciphers.end() ? nullptr : found;
}

Result<AlgorithmFloor> AlgorithmFloor::with_weak_algorithms() {
    AlgorithmFloor floor;
    floor.context_.reset(OSSL_LIB_CTX_new());
    for (const char* name : {"default", "legacy"}) {
        floor.providers_.emplace_back(OSSL_PROVIDER_load(floor.context_.get(), name));
        if (!floor.providers_.back()) {
            return fail(ErrorCode::crypto, fmt::format("cannot load OpenSSL's '{}' provider", name),
                        take_openssl_errors(), "install OpenSSL's legacy provider, or do without weak requests");
        }
    }
    return floor;
}

Outcome<const DigestAlgorithm*> AlgorithmFloor::digest(const AlgorithmSyntax& algorithm) const {
    const DigestAlgorithm* found = digest_of(algorithm.oid);
    if (found == nullptr) {
        return reject(FailInfo::bad_alg, fmt::format("digest algorithm {} is not supported", algorithm.oid));
    }
    if (found->weak && !allows_weak()) {
        return reject(FailInfo::bad_alg, fmt::format("digest algorithm {} is too weak", found->capability));
    }
    return found;
}

Outcome<const ContentCipher*> AlgorithmFloor::cipher(const AlgorithmSyntax& algorithm) const {
    const ContentCipher* found = cipher_of(algorithm.oid);
    if (found == nullptr) {
        return reject(FailInfo::bad_alg, fmt::format("content cipher {} is not supported", algorithm.oid));
    }
    if (found->weak && !allows_weak()) {
        return reject(FailInfo::bad_alg, fmt::format("content cipher {} is too weak", found->name));
    }
    return found;
}

Outcome<void> verify_signature(const PublicKey& key, const AlgorithmSyntax& signature_algorithm,
                               const DigestAlgorithm& digest, ByteView octets, ByteView signature) {
    if (!fits(signature_algorithm.oid, digest, key)) {
        return reject(FailInfo::bad_alg, fmt::format("signature algorithm {} does not fit {} and {}",
                                                     signature_algorithm.oid, key.text(), digest.capability));
    }
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    if (!context ||
        EVP_DigestVerifyInit_ex(context.get(), nullptr, digest.name, nullptr, nullptr, key.get(), nullptr) != 1 ||
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), octets.data(), octets.size()) != 1) {
        take_openssl_errors();
        return reject(FailInfo::bad_message_check, "a signature does not verify");
    }
    return {};
}

Outcome<Bytes> open_envelope(const EnvelopedDataSyntax& envelope, const RecipientSyntax& recipient, EVP_PKEY* key,
                             const AlgorithmFloor& floor) {
    auto cipher = floor.cipher(envelope.cipher);
    if (!cipher) {
        return tl::unexpected<Rejection>(cipher.error());
    }
    auto cek = content_key(recipient, key);
    if (!cek) {
        return tl::unexpected<Rejection>(cek.error());
    }
    const OpenSslPtr<EVP_CIPHER> method(EVP_CIPHER_fetch(floor.context(), (*cipher)->name, nullptr));
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    if (!method || !context || !envelope.iv || envelope.iv->size() != (*cipher)->block || !envelope.encrypted_content ||
        envelope.encrypted_content->empty() ||
        cek->size() != static_cast<std::size_t>(EVP_CIPHER_get_key_length(method.get()))) {
        return undecryptable();
    }
    const Bytes& in = *envelope.encrypted_content;
    Bytes out(in.size() + (*cipher)->block);
    int size = 0;
    int last = 0;
    if (EVP_DecryptInit_ex2(context.get(), method.get(), cek->reveal().data(), envelope.iv->data(), nullptr) != 1 ||
        EVP_DecryptUpdate(context.get(), out.data(), &size, in.data(), static_cast<int>(in.size())) != 1 ||
        EVP_DecryptFinal_ex(context.get(), out.data() + size, &last) != 1) {
        return undecryptable();
    }
    out.resize(static_cast<std::size_t>(size) + static_cast<std::size_t>(last));
    return out;
}

}  // namespace hwenroll::lab_ca
