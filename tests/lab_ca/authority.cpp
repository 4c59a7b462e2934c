#include "tests/lab_ca/authority.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/pem.h"
#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t serial_size = 16;

/// A positive serial number whose DER INTEGER has exactly 16 octets.
bool set_random_serial(X509* certificate) {
    std::array<std::uint8_t, serial_size> octets{};
    if (RAND_bytes(octets.data(), static_cast<int>(octets.size())) != 1) {
        return false;
    }
    octets[0] = static_cast<std::uint8_t>((octets[0] & 0x7fU) | 0x40U);
    const OpenSslPtr<BIGNUM> number(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
    const OpenSslPtr<ASN1_INTEGER> serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
    return serial && X509_set_serialNumber(certificate, serial.get()) == 1;
}

bool set_validity(X509* certificate, TimePoint not_before, TimePoint not_after) {
    return X509_set1_notBefore(certificate, to_asn1_time(not_before).get()) == 1 &&
           X509_set1_notAfter(certificate, to_asn1_time(not_after).get()) == 1;
}

/// Adds an extension in the notation of x509v3_config(5).
bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const OpenSslPtr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// One distribution point for each URL.
bool add_crl_points(X509* certificate, const std::vector<std::string>& urls) {
    std::string value;
    for (const std::string& url : urls) {
        value += (value.empty() ? "URI:" : ",URI:") + url;
    }
    return urls.empty() || add_extension(certificate, nullptr, NID_crl_distribution_points, value.c_str());
}

bool sign(X509* certificate, EVP_PKEY* key) {
    return X509_sign(certificate, key, EVP_sha256()) > 0;
}

/// What a CA's key is for: an EC key encrypts nothing.
const char* usage_of(const AuthorityTerms& terms) {
    return terms.ec_key ? "critical,digitalSignature,keyCertSign,cRLSign"
                        : "critical,digitalSignature,keyEncipherment,keyCertSign,cRLSign";
}

Result<Certificate> ca_certificate(EVP_PKEY* key, const AuthorityTerms& terms) {
    auto subject = DistinguishedName::from_text(terms.subject);
    if (!subject) {
        return fail(subject.error());
    }
    const OpenSslPtr<X509_NAME> name = subject->to_x509_name();
    const OpenSslPtr<X509> x509(X509_new());
    X509* ca = x509.get();
    X509* issuer = terms.issuer == nullptr ? ca : terms.issuer->certificate.get();
    const auto* issuer_name = terms.issuer == nullptr ? name.get() : X509_get_subject_name(issuer);
    if (!x509 || X509_set_version(ca, X509_VERSION_3) != 1 || !set_random_serial(ca) ||
        !set_validity(ca, terms.not_before, terms.not_after) || X509_set_subject_name(ca, name.get()) != 1 ||
        X509_set_issuer_name(ca, issuer_name) != 1 || X509_set_pubkey(ca, key) != 1 ||
        !add_extension(ca, issuer, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_extension(ca, issuer, NID_key_usage, usage_of(terms)) ||
        !add_extension(ca, issuer, NID_subject_key_identifier, "hash") ||
        (terms.issuer != nullptr && !add_extension(ca, issuer, NID_authority_key_identifier, "keyid:always")) ||
        !sign(ca, terms.issuer == nullptr ? key : terms.issuer->key.get())) {
        return fail(openssl_error("cannot make the lab CA's certificate"));
    }
    return Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(ca, out); }));
}

Result<OpenSslPtr<EVP_PKEY>> make_key(bool ec = false) {
    OpenSslPtr<EVP_PKEY> key(ec ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
    if (!key) {
        return fail(openssl_error("cannot make the lab CA's key"));
    }
    return key;
}

template <class T>
OpenSslPtr<T> decoded(X509_EXTENSION* extension) {
    return OpenSslPtr<T>(static_cast<T*>(X509V3_EXT_d2i(extension)));
}

/// The value can be read as what its type says, and is no CA's key usage.
Outcome<void> check_requested(int nid, X509_EXTENSION* extension) {
    constexpr int key_cert_sign_bit = 5;
    constexpr int crl_sign_bit = 6;
    bool readable = false;
    if (nid == NID_subject_alt_name) {
        readable = decoded<GENERAL_NAMES>(extension) != nullptr;
    } else if (nid == NID_ext_key_usage) {
        readable = decoded<EXTENDED_KEY_USAGE>(extension) != nullptr;
    } else if (const auto usage = decoded<ASN1_BIT_STRING>(extension)) {
        readable = true;
        if (ASN1_BIT_STRING_get_bit(usage.get(), key_cert_sign_bit) != 0 ||
            ASN1_BIT_STRING_get_bit(usage.get(), crl_sign_bit) != 0) {
            return reject(FailInfo::bad_request, "keyCertSign and cRLSign are not issued to clients");
        }
    }
    take_openssl_errors();
    if (!readable) {
        return reject(FailInfo::bad_request, fmt::format("the requested extension {} is malformed", OBJ_nid2sn(nid)));
    }
    return {};
}

/// Copies a requested extension as it is, criticality included.
Outcome<void> copy_extension(const CertificationRequest& request, int nid, X509* certificate) {
    X509_EXTENSION* extension = request.extension(nid);
    if (extension == nullptr) {
        return {};
    }
    if (request.extension_count(nid) != 1) {
        return reject(FailInfo::bad_request, fmt::format("the extension {} is requested twice", OBJ_nid2sn(nid)));
    }
    if (Outcome<void> checked = check_requested(nid, extension); !checked) {
        return checked;
    }
    if (X509_add_ext(certificate, extension, -1) != 1) {
        return reject(FailInfo::bad_request, "internal error: " + take_openssl_errors());
    }
    return {};
}

Outcome<void> add_requested_usage(const CertificationRequest& request, IssueUsage usage, X509* certificate) {
    const bool copies = usage != IssueUsage::ignore;
    for (const int nid : {NID_key_usage, NID_ext_key_usage, NID_subject_alt_name}) {
        if (usage == IssueUsage::refuse && nid != NID_key_usage && request.extension(nid) != nullptr) {
            return reject(FailInfo::bad_request,
                          fmt::format("the requested attribute {} is not authorised", OBJ_nid2sn(nid)));
        }
        if (Outcome<void> copied = copies ? copy_extension(request, nid, certificate) : Outcome<void>(); !copied) {
            return copied;
        }
    }
    const bool has_usage = copies && request.extension(NID_key_usage) != nullptr;
    const char* fallback =
        request.public_key().is_rsa() ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
    if (!has_usage && !add_extension(certificate, nullptr, NID_key_usage, fallback)) {
        return reject(FailInfo::bad_request, "internal error: " + take_openssl_errors());
    }
    return {};
}

}  // namespace

Result<SigningIdentity> make_root(const AuthorityTerms& terms) {
    auto key = make_key(terms.ec_key);
    auto certificate = key ? ca_certificate(key->get(), terms) : fail(key.error());
    if (!certificate) {
        return fail(certificate.error());
    }
    return SigningIdentity{*std::move(key), *std::move(certificate)};
}

Result<SigningIdentity> Authority::make_ra(TimePoint now, const RaTerms& terms) const {
    auto key = make_key();
    if (!key) {
        return fail(key.error());
    }
    X509* issuer = certificate_->get();
    const auto name = DistinguishedName::from_text(terms.subject);
    const OpenSslPtr<X509> x509(X509_new());
    X509* ra = x509.get();
    if (!name || !x509 || X509_set_version(ra, X509_VERSION_3) != 1 || !set_random_serial(ra) ||
        !set_validity(ra, std::max(now, certificate_->not_before()), certificate_->not_after()) ||
        X509_set_subject_name(ra, name->to_x509_name().get()) != 1 ||
        X509_set_issuer_name(ra, X509_get_subject_name(issuer)) != 1 || X509_set_pubkey(ra, key->get()) != 1 ||
        !add_extension(ra, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(ra, issuer, NID_key_usage, terms.key_usage) ||
        !add_extension(ra, issuer, NID_ext_key_usage, terms.purpose) ||
        !add_extension(ra, issuer, NID_authority_key_identifier, "keyid:always") || !sign(ra, key_.get())) {
        return fail(openssl_error("cannot make the lab RA's certificate"));
    }
    auto certificate = Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(ra, out); }));
    if (!certificate) {
        return fail(certificate.error());
    }
    return SigningIdentity{*std::move(key), *std::move(certificate)};
}

Result<Authority> Authority::open(const std::filesystem::path& directory, const std::string& name,
                                  const AuthorityTerms& terms) {
    std::error_code error;
    std::filesystem::create_directories(directory / "issued", error);
    if (error) {
        return fail(ErrorCode::input_file, fmt::format("cannot make the directory '{}'", directory.string()),
                    error.message());
    }
    auto identity = load_or_make(directory, name, [&] { return make_root(terms); });
    if (!identity) {
        return fail(identity.error());
    }
    Authority authority;
    authority.directory_ = directory;
    authority.key_ = std::move(identity->key);
    authority.certificate_ = std::move(identity->certificate);
    return authority;
}

Outcome<Certificate> Authority::issue(const CertificationRequest& request, const IssuePolicy& policy, TimePoint from) {
    if (from > certificate_->not_after()) {
        return reject(FailInfo::bad_request, "this CA has ended");
    }
    const OpenSslPtr<X509> x509(X509_new());
    X509* leaf = x509.get();
    X509* issuer = certificate_->get();
    const auto internal = [](const std::string& why) {
        return reject(FailInfo::bad_request, "internal error: " + why);
    };
    const TimePoint not_before = std::max(from - policy.backdate, certificate_->not_before());
    const TimePoint not_after = std::min(from + policy.lifetime, certificate_->not_after());
    if (!x509 || X509_set_version(leaf, X509_VERSION_3) != 1 || !set_random_serial(leaf) ||
        !set_validity(leaf, not_before, not_after) ||
        X509_set_subject_name(leaf, X509_REQ_get_subject_name(request.get())) != 1 ||
        X509_set_issuer_name(leaf, X509_get_subject_name(issuer)) != 1 ||
        X509_set_pubkey(leaf, request.public_key().get()) != 1 ||
        !add_extension(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(leaf, issuer, NID_subject_key_identifier, "hash") ||
        !add_extension(leaf, issuer, NID_authority_key_identifier, "keyid:always")) {
        return internal(take_openssl_errors());
    }
    if (!add_crl_points(leaf, policy.crl_points)) {
        return internal(take_openssl_errors());
    }
    if (Outcome<void> usage = add_requested_usage(request, policy.usage, leaf); !usage) {
        return tl::unexpected<Rejection>(usage.error());
    }
    if (!sign(leaf, key_.get())) {
        return internal(take_openssl_errors());
    }
    auto certificate = Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(leaf, out); }));
    if (!certificate) {
        return internal(certificate.error().line());
    }
    const std::string serial = to_hex(certificate->serial());
    Status filed = write_file(directory_ / "issued" / (serial + ".pem"), to_pem(*certificate), 0644);
    if (filed) {
        filed = write_file(directory_ / "serial", serial + "\n", 0644);
    }
    if (!filed) {
        return internal(filed.error().line());
    }
    return *std::move(certificate);
}

}  // namespace hwenroll::lab_ca
