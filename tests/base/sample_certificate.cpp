#include "tests/base/sample_certificate.h"

#include <stdexcept>

namespace hwenroll::test {
namespace {

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string(what) + ": " + take_openssl_errors());
    }
}

void add_extension(X509* certificate, int nid, const std::string& value) {
    if (value.empty()) {
        return;
    }
    const OpenSslPtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, nullptr, nid, value.c_str()));
    require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

}  // namespace

OpenSslPtr<EVP_PKEY> software_key() {
    OpenSslPtr<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    require(key != nullptr, "key");
    return key;
}

Certificate make(const SampleCertificate& sample) {
    const OpenSslPtr<EVP_PKEY> key = software_key();
    const OpenSslPtr<X509> certificate(X509_new());
    X509* const x = certificate.get();
    const auto name = DistinguishedName::from_text(sample.subject);
    require(name.has_value(), "subject");
    const OpenSslPtr<X509_NAME> subject = name->to_x509_name();
    const OpenSslPtr<BIGNUM> number(BN_bin2bn(sample.serial.data(), static_cast<int>(sample.serial.size()), nullptr));
    require(X509_set_version(x, X509_VERSION_3) == 1, "version");
    require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) != nullptr, "serial");
    require(X509_set_subject_name(x, subject.get()) == 1 && X509_set_issuer_name(x, subject.get()) == 1, "names");
    require(X509_set1_notBefore(x, to_asn1_time(sample.not_before).get()) == 1, "notBefore");
    require(X509_set1_notAfter(x, to_asn1_time(sample.not_after).get()) == 1, "notAfter");
    require(X509_set_pubkey(x, key.get()) == 1, "public key");
    add_extension(x, NID_subject_alt_name, sample.subject_alt_name);
    add_extension(x, NID_key_usage, sample.key_usage);
    add_extension(x, NID_basic_constraints, sample.basic_constraints);
    require(X509_sign(x, key.get(), EVP_sha256()) > 0, "signature");
    auto made = Certificate::of(x);
    require(made.has_value(), "certificate");
    return *std::move(made);
}

}  // namespace hwenroll::test
