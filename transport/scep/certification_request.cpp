#include "transport/scep/certification_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>

#include "transport/scep/digests.h"
#include "transport/scep/requested_extensions.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_challenge = 255;  // characters; RFC 2985 §5.4.1, pkcs-9-ub-challengePassword
constexpr std::size_t serial_size = 16;     // octets; SIG-2

/// Overwrites the copy of the challenge that libcrypto keeps in an attribute: releasing it does not.
class ChallengeAttribute {
 public:
    ChallengeAttribute() = default;
    ChallengeAttribute(const ChallengeAttribute&) = delete;
    ChallengeAttribute& operator=(const ChallengeAttribute&) = delete;
    ~ChallengeAttribute() {
        if (text_ != nullptr) {
            wipe({const_cast<unsigned char*>(ASN1_STRING_get0_data(text_)),
                  static_cast<std::size_t>(ASN1_STRING_length(text_))});
        }
    }

    /// Adds `challenge` to `request`, which must outlive this object.
    Status add_to(X509_REQ* request, ByteView challenge);

 private:
    const ASN1_STRING* text_ = nullptr;
};

Status ChallengeAttribute::add_to(X509_REQ* request, ByteView challenge) {
    const std::string_view text = as_text(challenge);
    if (!is_utf8(text) || utf8_length(text) > max_challenge || text.find('\0') != std::string_view::npos) {
        return fail(ErrorCode::config_value, "the challenge password cannot be put into a request",
                    "it is not UTF-8, holds a NUL or has more than 255 characters");
    }
    const int type = is_printable_string(text) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;  // CSR-2
    if (X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, type, challenge.data(),
                                  static_cast<int>(challenge.size())) != 1) {
        return fail(openssl_error("the challenge password cannot be put into a request"));
    }
    auto* attribute = X509_REQ_get_attr(request, X509_REQ_get_attr_count(request) - 1);
    text_ = static_cast<const ASN1_STRING*>(X509_ATTRIBUTE_get0_data(attribute, 0, type, nullptr));
    return {};
}

/// Everything but the challenge and the signature.
Result<OpenSslPtr<X509_REQ>> unsigned_request(const CertificationRequest& contents, const PublicKey& key) {
    auto extensions = requested_extensions(contents);
    if (!extensions) {
        return fail(std::move(extensions).error());
    }
    OpenSslPtr<X509_REQ> request(X509_REQ_new());
    const OpenSslPtr<X509_NAME> subject = contents.subject.to_x509_name();
    // An unset version is refused by X509_REQ_verify of OpenSSL 3.5 and newer.
    if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(request.get(), subject.get()) != 1 ||
        X509_REQ_set_pubkey(request.get(), key.get()) != 1) {
        return fail(openssl_error("a request for '" + contents.subject.text() + "' cannot be made"));
    }
    if (sk_X509_EXTENSION_num(extensions->get()) > 0 &&
        X509_REQ_add_extensions_nid(request.get(), extensions->get(), NID_ext_req) != 1) {
        return fail(openssl_error("extensions cannot be put into a request"));
    }
    return request;
}

/// One value at the start of `rest`, which is advanced behind it; empty when there is none.
ByteView take_value(ByteView& rest, ByteView* content = nullptr) {
    const unsigned char* at = rest.data();
    long length = 0;
    int tag = 0;
    int xclass = 0;
    if ((ASN1_get_object(&at, &length, &tag, &xclass, static_cast<long>(rest.size())) & 0x80) != 0) {
        return {};
    }
    const auto header = static_cast<std::size_t>(at - rest.data());
    const ByteView whole = rest.first(header + static_cast<std::size_t>(length));
    if (content != nullptr) {
        *content = whole.subspan(header);
    }
    rest = rest.subspan(whole.size());
    return whole;
}

/// Verifies a PKCS#10 over its octets. X509_REQ_verify would do, but reading the request back into an X509_REQ makes
/// copies of the challenge that are released without being overwritten.
bool signature_verifies(ByteView der, const PublicKey& key, Digest digest) {
    ByteView parts;
    take_value(der, &parts);
    const ByteView signed_part = take_value(parts);
    const ByteView algorithm = take_value(parts);
    ByteView bits;
    take_value(parts, &bits);
    if (signed_part.empty() || algorithm.empty() || bits.size() < 2) {
        return false;
    }
    const ByteView signature = bits.subspan(1);  // behind the count of unused bits
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    return context && EVP_DigestVerifyInit(context.get(), nullptr, message_digest(digest), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), signed_part.data(),
                            signed_part.size()) == 1;
}

template <class Value>
bool add_extension(X509* certificate, int nid, Value* value, bool critical) {
    return value != nullptr && X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
}

/// SIG-1, SIG-2: what a CA needs to see to take the certificate for a signer and a recipient.
bool add_signer_extensions(X509* certificate, const PublicKey& key) {
    const OpenSslPtr<ASN1_STRING> usage(ASN1_BIT_STRING_new());
    const OpenSslPtr<BASIC_CONSTRAINTS> no_ca(BASIC_CONSTRAINTS_new());
    const int second_bit = key.is_rsa() ? 2 : 4;  // keyEncipherment; keyAgreement is what an EC key can do instead
    return usage && ASN1_BIT_STRING_set_bit(usage.get(), 0, 1) == 1 &&
           ASN1_BIT_STRING_set_bit(usage.get(), second_bit, 1) == 1 &&
           add_extension(certificate, NID_key_usage, usage.get(), true) &&
           add_extension(certificate, NID_basic_constraints, no_ca.get(), true);
}

/// Positive, and always of the same length whatever was drawn (RFC 5280 §4.1.2.2).
bool set_serial(X509* certificate, ByteView random) {
    std::array<std::uint8_t, serial_size> octets{};
    std::copy_n(random.begin(), octets.size(), octets.begin());
    octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3FU) | 0x40U);
    const OpenSslPtr<BIGNUM> number(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
    const OpenSslPtr<ASN1_STRING> serial(number ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
    return serial && X509_set_serialNumber(certificate, serial.get()) == 1;
}

bool set_validity(X509* certificate, TimePoint not_before, TimePoint not_after) {
    const OpenSslPtr<ASN1_TIME> from = to_asn1_time(not_before);
    const OpenSslPtr<ASN1_TIME> until = to_asn1_time(not_after);
    return from && until && X509_set1_notBefore(certificate, from.get()) == 1 &&
           X509_set1_notAfter(certificate, until.get()) == 1;
}

/// The name of a signer whose request has none: an empty issuer makes an IssuerAndSerialNumber that some servers
/// refuse (SIG-2).
OpenSslPtr<X509_NAME> signer_name(const DistinguishedName& subject) {
    if (!subject.empty()) {
        return subject.to_x509_name();
    }
    OpenSslPtr<X509_NAME> name(X509_NAME_new());
    const std::string_view placeholder = "SCEP client";
    X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8, as_bytes(placeholder).data(),
                               static_cast<int>(placeholder.size()), -1, 0);
    return name;
}

}  // namespace

Status check(const CertificationRequest& request) {
    if (request.subject.empty() && request.subject_alt_names.empty()) {
        return fail(ErrorCode::config_value, "a request needs a subject or a subject alternative name");
    }
    if (auto extensions = requested_extensions(request); !extensions) {
        return fail(std::move(extensions).error());
    }
    return {};
}

Result<Secret> build_csr(const CertificationRequest& request, EVP_PKEY* key, const Secret& challenge) {
    ERR_clear_error();
    if (Status checked = check(request); !checked) {
        return fail(std::move(checked).error());
    }
    auto public_key = PublicKey::of(key);
    if (!public_key) {
        return fail(std::move(public_key).error());
    }
    auto csr = unsigned_request(request, *public_key);
    if (!csr) {
        return fail(std::move(csr).error());
    }
    ChallengeAttribute attribute;
    if (!challenge.empty()) {
        if (Status added = attribute.add_to(csr->get(), challenge.reveal()); !added) {
            return fail(std::move(added).error());
        }
    }
    if (X509_REQ_sign(csr->get(), key, message_digest(request.digest)) <= 0) {
        return fail(openssl_error("a request for '" + request.subject.text() + "' cannot be signed with its key"));
    }
    Secret der(der_of([&](unsigned char** out) { return i2d_X509_REQ(csr->get(), out); }));
    if (!signature_verifies(der.reveal(), *public_key, request.digest)) {
        return fail(ErrorCode::token_self_test,
                    "the signature of the request for '" + request.subject.text() + "' does not verify",
                    take_openssl_errors());
    }
    return der;
}

Result<Certificate> build_signer_certificate(const DistinguishedName& subject, EVP_PKEY* key, ByteView serial,
                                             TimePoint not_before, TimePoint not_after, Digest digest) {
    ERR_clear_error();
    auto public_key = PublicKey::of(key);
    if (!public_key) {
        return fail(std::move(public_key).error());
    }
    const OpenSslPtr<X509> certificate(X509_new());
    const OpenSslPtr<X509_NAME> name = signer_name(subject);
    if (serial.size() != serial_size || !certificate || !name ||
        X509_set_version(certificate.get(), X509_VERSION_3) != 1 || !set_serial(certificate.get(), serial) ||
        !set_validity(certificate.get(), not_before, not_after) ||
        X509_set_subject_name(certificate.get(), name.get()) != 1 ||
        X509_set_issuer_name(certificate.get(), name.get()) != 1 ||
        X509_set_pubkey(certificate.get(), public_key->get()) != 1 ||
        !add_signer_extensions(certificate.get(), *public_key)) {
        return fail(openssl_error("a signer certificate for '" + subject.text() + "' cannot be made"));
    }
    if (X509_sign(certificate.get(), key, message_digest(digest)) <= 0) {
        return fail(openssl_error("the signer certificate of '" + subject.text() + "' cannot be signed with its key"));
    }
    auto emitted = Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(certificate.get(), out); }));
    if (!emitted || X509_verify(emitted->get(), public_key->get()) != 1) {
        return fail(
            openssl_error("the signature of the signer certificate of '" + subject.text() + "' does not verify"));
    }
    return emitted;
}

}  // namespace hwenroll::scep
