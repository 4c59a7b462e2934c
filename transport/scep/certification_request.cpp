#include "transport/scep/certification_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>

#include "transport/scep/der_writer.h"
#include "transport/scep/digests.h"
#include "transport/scep/digital_signature.h"
#include "transport/scep/requested_extensions.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_challenge = 255;  // characters; RFC 2985 §5.4.1, pkcs-9-ub-challengePassword
constexpr std::size_t serial_size = 16;     // octets; SIG-2

constexpr std::string_view oid_challenge_password = "1.2.840.113549.1.9.7";
constexpr std::string_view oid_extension_request = "1.2.840.113549.1.9.14";

Status check_challenge(const Secret& challenge, ChallengeString wanted) {
    const std::string_view text = as_text(challenge.reveal());
    if (!is_utf8(text) || utf8_length(text) > max_challenge || text.find('\0') != std::string_view::npos) {
        return fail(ErrorCode::config_value, "the challenge password cannot be put into a request",
                    "it is not UTF-8, holds a NUL or has more than 255 characters");
    }
    if (wanted == ChallengeString::printable && !is_printable_string(text)) {
        return fail(ErrorCode::challenge_source, "the challenge password is no PrintableString",
                    "challenge_encoding = \"printable\" allows letters, digits, blanks and '()+,-./:=? only",
                    "have the CA give another one, or set challenge_encoding = \"auto\" if it reads UTF8String");
    }
    return {};
}

// The request is written here and not by libcrypto, whose X509_REQ frees copies of the challenge without overwriting
// them.

/// CSR-5: whatever made the key, and whatever the CA would certify.
Status check_key(const PublicKey& key) {
    constexpr int least_rsa_bits = 2048;
    constexpr int least_ec_bits = 256;
    if (key.bits() >= (key.is_rsa() ? least_rsa_bits : least_ec_bits)) {
        return {};
    }
    return fail(ErrorCode::config_unsupported, "no certificate is asked for with a key of " + key.text(), {},
                "use an RSA key of 2048 bits or more, or an EC key on P-256 or P-384");
}

/// The challengePassword as an Attribute (RFC 2985 §5.4.1); empty when there is none.
Secret challenge_attribute(const Secret& challenge, ChallengeString wanted) {
    if (challenge.empty()) {
        return {};
    }
    const ByteView text = challenge.reveal();
    const bool printable_string = wanted != ChallengeString::utf8 && is_printable_string(as_text(text));  // CSR-2
    const Secret value = der::secret(printable_string ? der::tag_printable_string : der::tag_utf8_string, {text});
    const Secret values = der::secret(der::tag_set, {value.reveal()});
    return der::secret(der::tag_sequence, {der::object_identifier(oid_challenge_password), values.reveal()});
}

/// The extensionRequest as an Attribute (RFC 2985 §5.4.2); empty when nothing is requested.
Result<Bytes> extension_attribute(const CertificationRequest& contents) {
    auto extensions = requested_extensions(contents);
    if (!extensions) {
        return fail(std::move(extensions).error());
    }
    if (sk_X509_EXTENSION_num(extensions->get()) == 0) {
        return Bytes();
    }
    const Bytes list = der_of([&](unsigned char** out) { return i2d_X509_EXTENSIONS(extensions->get(), out); });
    if (list.empty()) {
        return fail(openssl_error("extensions cannot be put into a request"));
    }
    return der::constructed(der::tag_sequence,
                            {der::object_identifier(oid_extension_request), der::value(der::tag_set, list)});
}

/// CertificationRequestInfo (RFC 2986 §4.1).
Result<Secret> request_info(const CertificationRequest& contents, const PublicKey& key, const Secret& challenge) {
    const auto extensions = extension_attribute(contents);
    if (!extensions) {
        return fail(extensions.error());
    }
    const Secret password = challenge_attribute(challenge, contents.challenge_string);
    const ByteView one = password.reveal();
    const ByteView other = *extensions;
    const bool sorted = std::ranges::lexicographical_compare(one, other);  // of a SET OF in DER (X.690 §11.6)
    const Secret attributes = der::secret(der::tag_context(0), {sorted ? one : other, sorted ? other : one});
    return der::secret(der::tag_sequence,
                       {der::small_integer(0), contents.subject.der(), key.spki(), attributes.reveal()});
}

Bytes signature_algorithm(const PublicKey& key, Digest digest) {
    return key.is_rsa() ? der::algorithm_with_null(rsa_oid(digest)) : der::algorithm(ecdsa_oid(digest));
}

template <class Value>
bool add_extension(X509* certificate, int nid, Value* value, bool critical) {
    return value != nullptr && X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
}

/// RFC 5280 §4.2.1.2, method 1: by it a CA may name the certificate as the recipient of a reply (ENV-10).
OpenSslPtr<ASN1_STRING> key_identifier(const X509* certificate) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
    unsigned int size = 0;
    OpenSslPtr<ASN1_STRING> identifier(ASN1_OCTET_STRING_new());
    if (X509_pubkey_digest(certificate, message_digest(Digest::sha1), hash.data(), &size) != 1 || !identifier ||
        ASN1_STRING_set(identifier.get(), hash.data(), static_cast<int>(size)) != 1) {
        identifier.reset();
    }
    return identifier;
}

/// SIG-1, SIG-2: what a CA needs to see to take the certificate for a signer and a recipient.
bool add_signer_extensions(X509* certificate, const PublicKey& key) {
    const OpenSslPtr<ASN1_STRING> usage(ASN1_BIT_STRING_new());
    const OpenSslPtr<BASIC_CONSTRAINTS> no_ca(BASIC_CONSTRAINTS_new());
    const int second_bit = key.is_rsa() ? 2 : 4;  // keyEncipherment; keyAgreement is what an EC key can do instead
    return usage && ASN1_BIT_STRING_set_bit(usage.get(), 0, 1) == 1 &&
           ASN1_BIT_STRING_set_bit(usage.get(), second_bit, 1) == 1 &&
           add_extension(certificate, NID_key_usage, usage.get(), true) &&
           add_extension(certificate, NID_basic_constraints, no_ca.get(), true) &&
           add_extension(certificate, NID_subject_key_identifier, key_identifier(certificate).get(), false);
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
    if (Status checked = check_key(*public_key); !checked) {
        return fail(std::move(checked).error());
    }
    if (Status checked = check_challenge(challenge, request.challenge_string); !checked) {
        return fail(std::move(checked).error());
    }
    auto info = request_info(request, *public_key, challenge);
    if (!info) {
        return fail(std::move(info).error());
    }
    const std::string what = "the request for '" + request.subject.text() + "'";
    auto signature = sign_octets(info->reveal(), key, *public_key, request.digest, what);
    if (!signature) {
        return fail(std::move(signature).error());
    }
    if (!verify_octets(info->reveal(), *signature, *public_key, request.digest)) {
        return fail(ErrorCode::token_self_test, "the signature of " + what + " does not verify");
    }
    return der::secret(der::tag_sequence,
                       {info->reveal(), signature_algorithm(*public_key, request.digest), der::bit_string(*signature)});
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
