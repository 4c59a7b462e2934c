#include "tests/lab_ca/scep_reply.h"

#include <algorithm>
#include <array>

#include <openssl/rand.h>

#include "tests/lab_ca/reply_envelope.h"
#include "tests/lab_ca/scep_request.h"
#include "tests/lab_ca/shaped_reply.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t nonce_size = 16;
constexpr std::string_view fail_info_text_oid = "1.3.6.1.5.5.7.24.1";

Bytes der(CMS_ContentInfo* cms) {
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms, out); });
}

bool add_attribute(CMS_SignerInfo* signer, std::string_view oid, int type, ByteView value) {
    return CMS_signed_add1_attr_by_txt(signer, std::string(oid).c_str(), type, value.data(),
                                       static_cast<int>(value.size())) == 1;
}

bool add_number(CMS_SignerInfo* signer, std::string_view oid, int number) {
    return add_attribute(signer, oid, V_ASN1_PRINTABLESTRING, as_bytes(std::to_string(number)));
}

bool add_signing_time(CMS_SignerInfo* signer, TimePoint now) {
    const OpenSslPtr<ASN1_TIME> time = to_asn1_time(now);
    return time && CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime, ASN1_STRING_type(time.get()), time.get(),
                                               -1) == 1;
}

bool add_attributes(CMS_SignerInfo* signer, const CertRep& reply, TimePoint now) {
    constexpr int cert_rep = 3;
    std::array<std::uint8_t, nonce_size> nonce{};
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1 ||
        !add_attribute(signer, oid::transaction_id, V_ASN1_PRINTABLESTRING, as_bytes(reply.transaction_id)) ||
        !add_number(signer, oid::message_type, cert_rep) ||
        !add_number(signer, oid::pki_status, static_cast<int>(reply.status)) ||
        !add_attribute(signer, oid::recipient_nonce, V_ASN1_OCTET_STRING, reply.recipient_nonce) ||
        !add_attribute(signer, oid::sender_nonce, V_ASN1_OCTET_STRING, nonce) || !add_signing_time(signer, now)) {
        return false;
    }
    return !reply.rejection ||
           (add_number(signer, oid::fail_info, static_cast<int>(reply.rejection->fail_info)) &&
            (reply.rejection->text.empty() ||
             add_attribute(signer, fail_info_text_oid, V_ASN1_UTF8STRING, as_bytes(reply.rejection->text))));
}

/// The SUCCESS's certificates-only message; `certificates` has the issued one first.
Result<Bytes> write_content(std::vector<Certificate> certificates, ReplyOrder order) {
    if (order == ReplyOrder::sorted) {
        return write_certificates(certificates);
    }
    if (order == ReplyOrder::leaf_last) {
        std::rotate(certificates.begin(), certificates.begin() + 1, certificates.end());
    }
    return write_certificates_in_order(certificates);
}

}  // namespace

CertRep failure(std::string transaction_id, Bytes recipient_nonce, Rejection rejection) {
    CertRep reply;
    reply.transaction_id = std::move(transaction_id);
    reply.recipient_nonce = std::move(recipient_nonce);
    reply.rejection = std::move(rejection);
    return reply;
}

Result<Bytes> write_certificates(const std::vector<Certificate>& certificates, const std::vector<Bytes>& crls) {
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_ContentInfo_new());
    if (!cms || CMS_SignedData_init(cms.get()) != 1) {
        return fail(openssl_error("cannot make a certificates-only message"));
    }
    for (const Certificate& certificate : certificates) {
        if (CMS_add1_cert(cms.get(), certificate.get()) != 1) {
            return fail(openssl_error("cannot make a certificates-only message"));
        }
    }
    for (const Bytes& crl : crls) {
        const unsigned char* in = crl.data();
        const OpenSslPtr<X509_CRL> read(d2i_X509_CRL(nullptr, &in, static_cast<long>(crl.size())));
        if (!read || CMS_add1_crl(cms.get(), read.get()) != 1) {
            return fail(openssl_error("cannot put a CRL into a message"));
        }
    }
    return der(cms.get());
}

Result<Bytes> write_cert_rep(const CertRep& reply, const Certificate& signer, EVP_PKEY* key, TimePoint now,
                             const ReplyShape& shape, OSSL_LIB_CTX* context) {
    Bytes content;
    if (reply.status == PkiStatus::success) {
        const auto inner = reply.crls.empty() ? write_content(reply.certificates, shape.order)
                                              : write_certificates(reply.certificates, reply.crls);
        auto envelope = !inner           ? inner
                        : reply.password ? write_password_envelope(*inner, *reply.password, reply.iterations)
                                         : write_envelope(*inner, *reply.encryption_for, shape, context);
        if (!envelope) {
            return envelope;
        }
        content = *std::move(envelope);
    }
    if (needs_own_writer(reply, shape)) {
        return write_shaped_rep(reply, content, signer, key, now, shape);
    }
    // Without messageData the whole pkcsPKIEnvelope is left out (MSG-18), not empty: hence detached.
    const unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP | (content.empty() ? CMS_DETACHED : 0U);
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.empty() ? "" : static_cast<const void*>(content.data()),
                                             static_cast<int>(content.size())));
    const OpenSslPtr<EVP_MD> digest(EVP_MD_fetch(nullptr, shape.digest.c_str(), nullptr));
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags | CMS_PARTIAL));
    CMS_SignerInfo* info =
        cms && digest ? CMS_add1_signer(cms.get(), signer.get(), key, digest.get(), flags | CMS_PARTIAL) : nullptr;
    if (info == nullptr || !add_attributes(info, reply, now) || CMS_final(cms.get(), in.get(), nullptr, flags) != 1) {
        return fail(openssl_error("cannot sign a reply"));
    }
    return der(cms.get());
}

}  // namespace hwenroll::lab_ca
