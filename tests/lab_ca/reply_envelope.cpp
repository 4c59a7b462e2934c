#include "tests/lab_ca/reply_envelope.h"

namespace hwenroll::lab_ca {
namespace {

OpenSslPtr<CMS_ContentInfo> begun(BIO* in) {
    return OpenSslPtr<CMS_ContentInfo>(CMS_encrypt(nullptr, in, EVP_aes_128_cbc(), CMS_BINARY | CMS_PARTIAL));
}

Result<Bytes> finished(CMS_ContentInfo* cms, BIO* in, bool has_recipient) {
    if (!has_recipient || CMS_final(cms, in, nullptr, CMS_BINARY) != 1) {
        return fail(openssl_error("cannot encrypt a reply"));
    }
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms, out); });
}

}  // namespace

Result<Bytes> write_envelope(ByteView content, const Certificate& recipient) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const auto cms = begun(in.get());
    return finished(cms.get(), in.get(), cms && CMS_add1_recipient_cert(cms.get(), recipient.get(), 0) != nullptr);
}

Result<Bytes> write_password_envelope(ByteView content, const Secret& password, int iterations) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const auto cms = begun(in.get());
    const ByteView octets = password.reveal();
    auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(octets.data(), octets.size()));  // becomes the CMS's
    return finished(
        cms.get(), in.get(),
        cms && CMS_add0_recipient_password(cms.get(), iterations, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                           static_cast<ossl_ssize_t>(octets.size()), EVP_aes_128_cbc()) != nullptr);
}

}  // namespace hwenroll::lab_ca
