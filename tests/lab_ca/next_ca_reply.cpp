#include "tests/lab_ca/next_ca_reply.h"

#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {
namespace {

struct Signer {
    const Certificate& certificate;
    EVP_PKEY* key;
};

/// SignedData by `signer` over `content`, or over nothing when it is empty, with `extra` beside the signer's
/// certificate.
Result<Bytes> signed_data(ByteView content, const Signer& signer, const std::vector<Certificate>& extra,
                          TimePoint now) {
    const unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL | (content.empty() ? CMS_DETACHED : 0U);
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.empty() ? "" : static_cast<const void*>(content.data()),
                                             static_cast<int>(content.size())));
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags));
    CMS_SignerInfo* info =
        cms ? CMS_add1_signer(cms.get(), signer.certificate.get(), signer.key, EVP_sha256(), flags) : nullptr;
    const OpenSslPtr<ASN1_TIME> time = to_asn1_time(now);
    bool done = info != nullptr && CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime,
                                                               ASN1_STRING_type(time.get()), time.get(), -1) == 1;
    for (const Certificate& certificate : extra) {
        done = done && CMS_add1_cert(cms.get(), certificate.get()) == 1;
    }
    if (!done || CMS_final(cms.get(), in.get(), nullptr, flags & ~static_cast<unsigned int>(CMS_PARTIAL)) != 1) {
        return fail(openssl_error("cannot sign the next CA certificate"));
    }
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms.get(), out); });
}

}  // namespace

Result<Bytes> write_next_ca(NextCaForm form, const Authority& current, const Authority& next, const SigningIdentity& ra,
                            TimePoint now) {
    const Certificate& own = current.certificate();
    const Signer by_current{own, current.key()};
    const bool needs_stranger = form == NextCaForm::unknown_signer || form == NextCaForm::outer_extra;
    const auto stranger = needs_stranger ? make_root({own.not_before(), own.not_after(), own.subject().text()})
                                         : fail(ErrorCode::crypto, "");
    if (needs_stranger && !stranger) {
        return fail(stranger.error());
    }
    std::vector<Certificate> certificates{next.certificate()};
    if (form == NextCaForm::current_again) {
        certificates = {own};
    } else if (form == NextCaForm::ra_only) {
        certificates = {ra.certificate};
    } else if (form == NextCaForm::empty) {
        certificates.clear();
    }
    const auto inner = write_certificates(certificates);
    if (!inner || form == NextCaForm::unsigned_only) {
        return inner;
    }
    switch (form) {
        case NextCaForm::flat:
            return signed_data({}, by_current, certificates, now);
        case NextCaForm::ra_signed:
            return signed_data(*inner, {ra.certificate, ra.key.get()}, {}, now);
        case NextCaForm::unknown_signer:
            return signed_data(*inner, {stranger->certificate, stranger->key.get()}, {}, now);
        case NextCaForm::next_signed:
            return signed_data(*inner, {next.certificate(), next.key()}, {}, now);
        case NextCaForm::outer_extra:
            return signed_data(*inner, by_current, {stranger->certificate}, now);
        default:
            return signed_data(*inner, by_current, {}, now);
    }
}

}  // namespace hwenroll::lab_ca
