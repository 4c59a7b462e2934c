#include "tests/lab_ca/shaped_reply.h"

#include <algorithm>
#include <array>

#include <openssl/rand.h>

#include "tests/lab_ca/ber_form.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::uint8_t sequence = 0x30;
constexpr std::uint8_t set = 0x31;
constexpr std::uint8_t explicit_0 = 0xa0;
constexpr std::string_view fail_info_text_oid = "1.3.6.1.5.5.7.24.1";
constexpr std::string_view microsoft_error_oid = "1.3.6.1.4.1.311.21.33";
constexpr std::string_view invalid_argument = "-2147024809";  // HRESULT 0x80070057
constexpr std::string_view rsa_encryption = "1.2.840.113549.1.1.1";

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

Bytes oid_der(std::string_view oid) {
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(std::string(oid).c_str(), 1));
    return der_of([&](unsigned char** out) { return i2d_ASN1_OBJECT(object.get(), out); });
}

Bytes algorithm_der(std::string_view oid, bool with_null) {
    return wrap_der(sequence, joined({oid_der(oid), with_null ? Bytes{asn1_tag::null, 0} : Bytes{}}));
}

Bytes small_number(std::uint8_t number) {
    return {asn1_tag::integer, 1, number};
}

Bytes printable(std::string_view text) {
    return wrap_der(asn1_tag::printable_string, as_bytes(text));
}

Bytes octets(ByteView content) {
    return wrap_der(asn1_tag::octet_string, content);
}

/// A DER SET OF: its members in ascending order.
Bytes set_of(std::uint8_t identifier, std::vector<Bytes> members) {
    std::sort(members.begin(), members.end());
    Bytes content;
    for (const Bytes& member : members) {
        content.insert(content.end(), member.begin(), member.end());
    }
    return wrap_der(identifier, content);
}

Bytes signed_data(std::initializer_list<Bytes> fields) {
    return wrap_der(sequence,
                    joined({oid_der(oid::signed_data), wrap_der(explicit_0, wrap_der(sequence, joined(fields)))}));
}

/// `shape` as it counts for `reply`: NDES has a form of its own for each FAILURE (Q-NDES-3).
ReplyShape shape_of(const CertRep& reply, ReplyShape shape) {
    if (shape.ndes_failure && reply.status == PkiStatus::failure) {
        shape.digest = "SHA1";
        shape.signer_certificate = false;
        shape.sender_nonce = true;
        shape.signing_time = false;
        shape.fail_info_text = false;
    }
    return shape;
}

bool says_success(const CertRep& reply, const ReplyShape& shape) {
    return reply.status == PkiStatus::success || (reply.status == PkiStatus::pending && shape.pending_empty);
}

class Attributes {
 public:
    void add(std::string_view oid, Bytes value) {
        members_.push_back(wrap_der(sequence, joined({oid_der(oid), wrap_der(set, value)})));
    }

    /// Under the tag that they have in the message, or in what is signed (RFC 5652 §5.4).
    [[nodiscard]] Bytes der(std::uint8_t identifier) const { return set_of(identifier, members_); }

 private:
    std::vector<Bytes> members_;
};

void add_failure(Attributes& out, const Rejection& rejection, const ReplyShape& shape) {
    out.add(oid::fail_info, printable(std::to_string(static_cast<int>(rejection.fail_info))));
    if (shape.fail_info_text && !rejection.text.empty()) {
        out.add(fail_info_text_oid, wrap_der(asn1_tag::utf8_string, as_bytes(rejection.text)));
    }
    if (shape.ndes_failure) {
        out.add(microsoft_error_oid, printable(invalid_argument));
    }
}

Result<Attributes> attributes_of(const CertRep& reply, ByteView digest, const ReplyShape& shape, TimePoint now) {
    std::array<std::uint8_t, 16> nonce{};
    const OpenSslPtr<ASN1_TIME> time = to_asn1_time(now);
    if (!time || RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1) {
        return fail(openssl_error("cannot sign a reply"));
    }
    Attributes out;
    out.add(oid::content_type, oid_der(oid::data));
    out.add(oid::message_digest, octets(digest));
    out.add(oid::transaction_id, printable(reply.transaction_id));
    out.add(oid::message_type, printable("3"));
    out.add(oid::pki_status,
            printable(std::to_string(says_success(reply, shape) ? 0 : static_cast<int>(reply.status))));
    out.add(oid::recipient_nonce, octets(reply.recipient_nonce));
    if (shape.sender_nonce) {
        out.add(oid::sender_nonce, octets(nonce));
    }
    if (shape.signing_time) {
        out.add(oid::signing_time, der_of([&](unsigned char** to) { return i2d_ASN1_TIME(time.get(), to); }));
    }
    if (reply.rejection) {
        add_failure(out, *reply.rejection, shape);
    }
    return out;
}

Result<Bytes> digest_of_octets(ByteView octets, const DigestAlgorithm& digest) {
    const OpenSslPtr<EVP_MD> method(EVP_MD_fetch(nullptr, digest.name, nullptr));
    Bytes out(EVP_MAX_MD_SIZE);
    unsigned int size = 0;
    if (!method || EVP_Digest(octets.data(), octets.size(), out.data(), &size, method.get(), nullptr) != 1) {
        return fail(openssl_error("cannot hash a reply"));
    }
    out.resize(size);
    return out;
}

Result<Bytes> signature_over(ByteView octets, const DigestAlgorithm& digest, EVP_PKEY* key) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    if (!context || EVP_DigestSignInit_ex(context.get(), nullptr, digest.name, nullptr, nullptr, key, nullptr) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, octets.data(), octets.size()) != 1) {
        return fail(openssl_error("cannot sign a reply"));
    }
    Bytes out(size);
    if (EVP_DigestSign(context.get(), out.data(), &size, octets.data(), octets.size()) != 1) {
        return fail(openssl_error("cannot sign a reply"));
    }
    out.resize(size);
    return out;
}

Bytes name_der(const Certificate& signer) {
    const auto* serial = X509_get0_serialNumber(signer.get());
    return wrap_der(sequence, joined({signer.issuer().der(),
                                      der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(serial, out); })}));
}

/// The octets that take the place of an envelope, or it: one octet in an NDES failure, none in Dogtag's PENDING.
std::optional<Bytes> content_of(const CertRep& reply, ByteView envelope, const ReplyShape& shape) {
    if (shape.ndes_failure && reply.status == PkiStatus::failure) {
        return Bytes{0};
    }
    if (says_success(reply, shape)) {
        return to_bytes(envelope);
    }
    return std::nullopt;
}

}  // namespace

bool needs_own_writer(const CertRep& reply, const ReplyShape& shape) {
    const bool failed = reply.status == PkiStatus::failure;
    const bool pending = reply.status == PkiStatus::pending;
    return !shape.sender_nonce || !shape.signing_time || !shape.signer_certificate || shape.indefinite ||
           (failed && (shape.ndes_failure || !shape.fail_info_text)) || (pending && shape.pending_empty);
}

Bytes write_certificates_in_order(const std::vector<Certificate>& certificates) {
    Bytes set_content;
    for (const Certificate& certificate : certificates) {
        set_content.insert(set_content.end(), certificate.der().begin(), certificate.der().end());
    }
    return signed_data({small_number(1), wrap_der(set, {}), wrap_der(sequence, oid_der(oid::data)),
                        wrap_der(explicit_0, set_content), wrap_der(set, {})});
}

Result<Bytes> write_shaped_rep(const CertRep& reply, ByteView content, const Certificate& signer, EVP_PKEY* key,
                               TimePoint now, const ReplyShape& wanted) {
    const ReplyShape shape = shape_of(reply, wanted);
    const DigestAlgorithm* digest = digest_by_name(shape.digest);
    if (digest == nullptr) {
        return fail(ErrorCode::crypto, "cannot sign a reply with digest " + shape.digest);
    }
    const std::optional<Bytes> encapsulated = content_of(reply, content, shape);
    const auto hash = digest_of_octets(encapsulated.value_or(Bytes{}), *digest);
    auto attributes = hash ? attributes_of(reply, *hash, shape, now) : fail(hash.error());
    auto signature = attributes ? signature_over(attributes->der(set), *digest, key) : fail(attributes.error());
    if (!signature) {
        return fail(signature.error());
    }
    const bool rsa = signer.public_key().is_rsa();
    const Bytes digest_algorithm = algorithm_der(digest->oid, true);
    const Bytes info = wrap_der(
        sequence, joined({small_number(1), name_der(signer), digest_algorithm, attributes->der(explicit_0),
                          algorithm_der(rsa ? rsa_encryption : digest->ecdsa_signature_oid, rsa), octets(*signature)}));
    const Bytes content_info =
        joined({oid_der(oid::data), encapsulated ? wrap_der(explicit_0, octets(*encapsulated)) : Bytes{}});
    Bytes message =
        signed_data({small_number(1), wrap_der(set, digest_algorithm), wrap_der(sequence, content_info),
                     shape.signer_certificate ? wrap_der(explicit_0, signer.der()) : Bytes{}, wrap_der(set, info)});
    return shape.indefinite ? indefinite_form(message) : Result<Bytes>(std::move(message));
}

}  // namespace hwenroll::lab_ca
