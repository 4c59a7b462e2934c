#include "tests/lab_ca/reply_envelope.h"

#include <openssl/rsa.h>

#include "tests/lab_ca/ber_form.h"

namespace hwenroll::lab_ca {
namespace {

Bytes der_of_cms(CMS_ContentInfo* cms) {
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms, out); });
}

bool add_recipient(CMS_ContentInfo* cms, const Certificate& recipient, const ReplyShape& shape) {
    const unsigned int flags = CMS_KEY_PARAM | (shape.key_identifier ? CMS_USE_KEYID : 0U);
    CMS_RecipientInfo* info = CMS_add1_recipient_cert(cms, recipient.get(), flags);
    if (info == nullptr || !shape.oaep || !recipient.public_key().is_rsa()) {
        return info != nullptr;
    }
    return EVP_PKEY_CTX_set_rsa_padding(CMS_RecipientInfo_get0_pkey_ctx(info), RSA_PKCS1_OAEP_PADDING) == 1;
}

}  // namespace

Result<Bytes> write_envelope(ByteView content, const Certificate& recipient, const ReplyShape& shape,
                             OSSL_LIB_CTX* context) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const OpenSslPtr<EVP_CIPHER> cipher(EVP_CIPHER_fetch(context, shape.cipher.c_str(), nullptr));
    const OpenSslPtr<CMS_ContentInfo> cms(
        cipher ? CMS_encrypt_ex(nullptr, in.get(), cipher.get(), CMS_BINARY | CMS_PARTIAL, context, nullptr) : nullptr);
    if (!cms || !add_recipient(cms.get(), recipient, shape) ||
        CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) != 1) {
        return fail(openssl_error("cannot encrypt a reply"));
    }
    return shape.indefinite ? indefinite_form(der_of_cms(cms.get())) : der_of_cms(cms.get());
}

Result<Bytes> write_password_envelope(ByteView content, const Secret& password, int iterations) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_encrypt(nullptr, in.get(), EVP_aes_128_cbc(), CMS_BINARY | CMS_PARTIAL));
    const ByteView octets = password.reveal();
    auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(octets.data(), octets.size()));  // becomes the CMS's
    if (!cms ||
        CMS_add0_recipient_password(cms.get(), iterations, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                    static_cast<ossl_ssize_t>(octets.size()), EVP_aes_128_cbc()) == nullptr ||
        CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) != 1) {
        return fail(openssl_error("cannot encrypt a reply"));
    }
    return der_of_cms(cms.get());
}

}  // namespace hwenroll::lab_ca
