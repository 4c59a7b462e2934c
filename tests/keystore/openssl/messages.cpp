#include "tests/keystore/openssl/messages.h"

#include <openssl/rsa.h>

namespace hwenroll::keystore::test {

namespace {

OpenSslPtr<X509_NAME> subject_name() {
    return DistinguishedName::from_text("CN=web01").value().to_x509_name();
}

std::string contents_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

OpenSslPtr<X509_REQ> make_request(EVP_PKEY* key) {
    OpenSslPtr<X509_REQ> request(X509_REQ_new());
    const auto name = subject_name();
    if (X509_REQ_set_version(request.get(), 0) != 1 || X509_REQ_set_subject_name(request.get(), name.get()) != 1 ||
        X509_REQ_set_pubkey(request.get(), key) != 1 || X509_REQ_sign(request.get(), key, EVP_sha256()) <= 0) {
        return nullptr;
    }
    return request;
}

OpenSslPtr<X509> make_certificate(EVP_PKEY* subject_key, EVP_PKEY* issuer_key) {
    OpenSslPtr<X509> certificate(X509_new());
    const auto name = subject_name();
    if (X509_set_version(certificate.get(), 2) != 1 || X509_set_subject_name(certificate.get(), name.get()) != 1 ||
        X509_set_issuer_name(certificate.get(), name.get()) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60) == nullptr ||
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600) == nullptr ||
        X509_set_pubkey(certificate.get(), subject_key) != 1 ||
        X509_sign(certificate.get(), issuer_key, EVP_sha256()) <= 0) {
        return nullptr;
    }
    return certificate;
}

Bytes make_signed_data(X509* certificate, EVP_PKEY* key, std::string_view text) {
    constexpr unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP;
    const OpenSslPtr<BIO> content(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    const OpenSslPtr<CMS_ContentInfo> message(CMS_sign(nullptr, nullptr, nullptr, content.get(), flags | CMS_PARTIAL));
    if (!message || CMS_add1_signer(message.get(), certificate, key, EVP_sha256(), flags) == nullptr ||
        CMS_final(message.get(), content.get(), nullptr, flags) != 1) {
        return {};
    }
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(message.get(), out); });
}

std::optional<std::string> verified_content(ByteView signed_data) {
    const unsigned char* in = signed_data.data();
    const OpenSslPtr<CMS_ContentInfo> message(d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(signed_data.size())));
    const OpenSslPtr<BIO> content(BIO_new(BIO_s_mem()));
    if (!message || CMS_verify(message.get(), nullptr, nullptr, nullptr, content.get(),
                               CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1) {
        return std::nullopt;
    }
    return contents_of(content.get());
}

Bytes encrypt(EVP_PKEY* key, std::string_view text) {
    const PublicKey public_key = PublicKey::of(key).value();
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, public_key.get(), nullptr));
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t size = out.size();
    const ByteView in = as_bytes(text);
    if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_encrypt(context.get(), out.data(), &size, in.data(), in.size()) != 1) {
        return {};
    }
    return out;
}

std::optional<std::string> decrypt(EVP_PKEY* key, ByteView ciphertext) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    std::size_t size = 0;
    if (EVP_PKEY_decrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_decrypt(context.get(), nullptr, &size, ciphertext.data(), ciphertext.size()) != 1) {
        return std::nullopt;
    }
    Bytes plain(size);
    if (EVP_PKEY_decrypt(context.get(), plain.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
        return std::nullopt;
    }
    return std::string(as_text(ByteView(plain).first(size)));
}

}  // namespace hwenroll::keystore::test
