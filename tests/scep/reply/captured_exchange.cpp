#include "tests/scep/reply/captured_exchange.h"

#include <algorithm>
#include <stdexcept>

#include <openssl/pem.h>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::test {
namespace {

constexpr const char* oid_transaction_id = "2.16.840.1.113733.1.9.7";
constexpr const char* oid_sender_nonce = "2.16.840.1.113733.1.9.5";

OpenSslPtr<CMS_ContentInfo> cms_from(const Bytes& der) {
    const unsigned char* in = der.data();
    OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(der.size())));
    if (!cms) {
        throw std::runtime_error("a capture is no CMS message");
    }
    return cms;
}

std::vector<Certificate> certificates_of(const Bytes& body) {
    if (auto single = Certificate::from_der(body)) {
        return {*single};
    }
    const auto cms = cms_from(body);
    const OpenSslPtr<STACK_OF(X509)> stack(CMS_get1_certs(cms.get()));
    std::vector<Certificate> certificates;
    for (int i = 0; stack && i < sk_X509_num(stack.get()); ++i) {
        certificates.push_back(Certificate::of(sk_X509_value(stack.get(), i)).value());
    }
    return certificates;
}

std::string attribute_of(CMS_ContentInfo* cms, const char* oid, int type) {
    CMS_SignerInfo* signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(oid, 1));
    const auto* value = static_cast<const ASN1_STRING*>(CMS_signed_get0_data_by_OBJ(signer, object.get(), -3, type));
    if (value == nullptr) {
        throw std::runtime_error("a captured request lacks an attribute");
    }
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
            static_cast<std::size_t>(ASN1_STRING_length(value))};
}

Certificate the_one(const std::vector<Certificate>& certificates, bool self_issued) {
    const auto found = std::ranges::find_if(
        certificates, [&](const Certificate& c) { return c.is_ca() && c.is_self_issued() == self_issued; });
    return found == certificates.end() ? certificates.at(0) : *found;
}

}  // namespace

OpenSslPtr<EVP_PKEY> captured_key() {
    const Bytes pem = capture("client-key.pem");
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return OpenSslPtr<EVP_PKEY>(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
}

TimePoint capture_time() {
    using namespace std::chrono;
    return sys_days(year(2026) / November / 23) + hours(7) + minutes(30);
}

scep::LegacyPermissions everything_allowed() {
    return {true, true, true, true};
}

CapturedExchange load_exchange(const std::string& name, const std::string& ca_set) {
    const Bytes request = capture(name + ".req.der");
    const auto cms = cms_from(request);
    Bytes reply = capture(name + ".rep.der");
    std::vector<Certificate> authorities = certificates_of(ca_set.empty() ? reply : capture(ca_set));
    std::erase_if(authorities, [](const Certificate& c) { return !c.is_ca(); });
    scep::ReplyExpectation expectation;
    expectation.transaction_id.value = attribute_of(cms.get(), oid_transaction_id, V_ASN1_PRINTABLESTRING);
    const std::string nonce = attribute_of(cms.get(), oid_sender_nonce, V_ASN1_OCTET_STRING);
    std::copy_n(nonce.begin(), std::min<std::size_t>(nonce.size(), 16), expectation.sender_nonce.value.begin());
    expectation.signers = authorities;
    expectation.now = capture_time();
    expectation.legacy = everything_allowed();
    return {name,
            std::move(reply),
            certificates_of(request).at(0),
            captured_key(),
            std::move(expectation),
            the_one(authorities, false),
            the_one(authorities, true)};
}

scep::IssueExpectation issue_expectation(const CapturedExchange& exchange, const std::string& subject) {
    scep::IssueExpectation expected{
        .public_key = PublicKey::of(exchange.key.get()).value(),
        .subject = DistinguishedName::from_text(subject).value(),
        .subject_alt_names = {},
        .key_usage = {"digitalSignature"},
        .extended_key_usage = {},
        .issuer = exchange.issuer,
        .anchor = exchange.anchor,
        .intermediates = {},
        .now = capture_time(),
        .current = std::nullopt,
        .legacy = everything_allowed(),
        .limits = {},
    };
    return expected;
}

}  // namespace hwenroll::test
