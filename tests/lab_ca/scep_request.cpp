#include "tests/lab_ca/scep_request.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t max_attribute = 1024;
constexpr int min_rsa_bits = 2048;
constexpr int max_rsa_bits = 8192;  // bounds the time of one verification

tl::unexpected<Error> unanswerable(std::string why) {
    return fail(ErrorCode::scep_structure, "this is no SCEP message that can be answered", std::move(why));
}

std::optional<std::string> text_attribute(const SignerSyntax& signer, std::string_view type) {
    const AttributeValue* value = signer.single_value(type);
    if (value == nullptr || value->content.empty() || value->content.size() > max_attribute) {
        return std::nullopt;
    }
    const auto printable = [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; };
    if (!std::all_of(value->content.begin(), value->content.end(), printable)) {
        return std::nullopt;
    }
    return std::string(as_text(value->content));
}

std::optional<MessageType> message_type_of(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    for (const MessageType type : {MessageType::renewal_req, MessageType::pkcs_req, MessageType::cert_poll,
                                   MessageType::get_cert, MessageType::get_crl}) {
        if (static_cast<int>(type) == number) {
            return type;
        }
    }
    return std::nullopt;
}

bool has_key_identifier(const Certificate& certificate, const Bytes& identifier) {
    const auto* ski = X509_get0_subject_key_id(certificate.get());
    return ski != nullptr &&
           equal(identifier, {ASN1_STRING_get0_data(ski), static_cast<std::size_t>(ASN1_STRING_length(ski))});
}

/// The embedded certificate that the SignerInfo names (SIG-5).
std::optional<Certificate> embedded_signer(const SignedDataSyntax& message) {
    const SignerSyntax& signer = message.signers.front();
    for (const Bytes& der : message.certificates) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            continue;
        }
        if (signer.id ? *signer.id == name_of(*certificate) : has_key_identifier(*certificate, signer.key_identifier)) {
            return *std::move(certificate);
        }
    }
    return std::nullopt;
}

Outcome<void> check_signer_key(const PublicKey& key) {
    if (key.is_rsa() ? key.bits() < min_rsa_bits || key.bits() > max_rsa_bits : !key.is_ec()) {
        return reject(FailInfo::bad_request, fmt::format("a signer's key of {} is not accepted", key.text()));
    }
    return {};
}

/// RFC 5652 §5.4 and §5.6: the attributes vouch for the content.
Outcome<void> check_content_attributes(const SignedDataSyntax& message, const DigestAlgorithm& digest) {
    const SignerSyntax& signer = message.signers.front();
    const AttributeValue* type = signer.single_value(oid::content_type);
    const AttributeValue* expected = signer.single_value(oid::message_digest);
    const auto type_text =
        type == nullptr ? std::nullopt
                        : oid_text(Asn1Node{.tag = type->tag, .whole = {}, .content = type->content, .children = {}});
    if (type_text != message.content_type) {
        return reject(FailInfo::bad_message_check, "the contentType attribute is not that of the content");
    }
    const Bytes content = message.content.value_or(Bytes{});
    Bytes actual(EVP_MAX_MD_SIZE);
    unsigned int size = 0;
    const OpenSslPtr<EVP_MD> method(EVP_MD_fetch(nullptr, digest.name, nullptr));
    if (!method || EVP_Digest(content.data(), content.size(), actual.data(), &size, method.get(), nullptr) != 1) {
        take_openssl_errors();
        return reject(FailInfo::bad_alg, "the digest algorithm is not available");
    }
    actual.resize(size);
    if (expected == nullptr || expected->tag != asn1_tag::octet_string || expected->content != actual) {
        return reject(FailInfo::bad_message_check, "the messageDigest attribute is not that of the content");
    }
    return {};
}

}  // namespace

IssuerAndSerial name_of(const Certificate& certificate) {
    Bytes serial = certificate.serial();
    while (serial.size() > 1 && serial[0] == 0) {
        serial.erase(serial.begin());
    }
    return {certificate.issuer().der(), std::move(serial)};
}

Result<ScepRequest> read_scep_request(ByteView message) {
    auto signed_data = read_signed_data(message);
    if (!signed_data) {
        return fail(signed_data.error());
    }
    if (signed_data->signers.size() != 1) {
        return unanswerable(fmt::format("it has {} signers", signed_data->signers.size()));
    }
    ScepRequest out;
    out.signed_data = *std::move(signed_data);
    auto transaction_id = text_attribute(out.signer(), oid::transaction_id);
    auto message_type = text_attribute(out.signer(), oid::message_type);
    const AttributeValue* nonce = out.signer().single_value(oid::sender_nonce);
    if (!transaction_id || !message_type) {
        return unanswerable("it has no usable transactionID and messageType");
    }
    if (nonce == nullptr || nonce->tag != asn1_tag::octet_string || nonce->content.empty() ||
        nonce->content.size() > max_attribute) {
        return unanswerable("it has no usable senderNonce");
    }
    out.transaction_id = *std::move(transaction_id);
    out.message_type_text = *std::move(message_type);
    out.message_type = message_type_of(out.message_type_text);
    out.sender_nonce = nonce->content;
    out.signer_certificate = embedded_signer(out.signed_data);
    return out;
}

Outcome<SignerKind> verify_request(const ScepRequest& request, const std::vector<Certificate>& authorities,
                                   const AlgorithmFloor& floor) {
    auto digest = floor.digest(request.signer().digest);
    if (!digest) {
        return tl::unexpected<Rejection>(digest.error());
    }
    if (!request.signer_certificate) {
        return reject(FailInfo::bad_message_check, "the message does not contain its signer's certificate");
    }
    const Certificate& signer = *request.signer_certificate;
    const SignerSyntax& info = request.signer();
    Outcome<void> step = check_signer_key(signer.public_key());
    if (step) {
        step = verify_signature(signer.public_key(), info.signature_algorithm, **digest, info.signed_octets,
                                info.signature);
    }
    if (step) {
        step = check_content_attributes(request.signed_data, **digest);
    }
    if (!step) {
        return tl::unexpected<Rejection>(step.error());
    }
    const auto signed_by = [&](const PublicKey& key) {
        const bool verified = X509_verify(signer.get(), key.get()) == 1;
        take_openssl_errors();
        return verified;
    };
    const auto forged = []() -> Outcome<SignerKind> {
        return reject(FailInfo::bad_message_check, "the signature of the signer's certificate does not verify");
    };
    bool names_us = false;
    for (const Certificate& authority : authorities) {
        if (signer.issuer() == authority.subject()) {
            if (signed_by(authority.public_key())) {
                return SignerKind::issued_here;
            }
            names_us = true;
        }
    }
    if (names_us) {
        return forged();
    }
    if (signer.is_self_issued()) {
        return signed_by(signer.public_key()) ? Outcome<SignerKind>(SignerKind::self_signed) : forged();
    }
    return SignerKind::other;
}

bool is_of_manufacturer(const ScepRequest& request, const std::vector<Certificate>& anchors, TimePoint now) {
    const OpenSslPtr<X509_STORE> store(X509_STORE_new());
    const OpenSslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    const OpenSslPtr<STACK_OF(X509)> untrusted(sk_X509_new_null());
    for (const Certificate& anchor : anchors) {
        X509_STORE_add_cert(store.get(), anchor.get());
    }
    for (const Bytes& der : request.signed_data.certificates) {
        if (const auto certificate = Certificate::from_der(der)) {
            X509_up_ref(certificate->get());
            sk_X509_push(untrusted.get(), certificate->get());
        }
    }
    if (!store || !context ||
        X509_STORE_CTX_init(context.get(), store.get(), request.signer_certificate->get(), untrusted.get()) != 1) {
        return false;
    }
    X509_STORE_CTX_set_time(context.get(), 0, now.time_since_epoch().count());
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);  // an anchor may be an intermediate
    const bool verified = !anchors.empty() && X509_verify_cert(context.get()) == 1;
    take_openssl_errors();
    return verified;
}

std::optional<TimePoint> signing_time(const SignerSyntax& signer) {
    const AttributeValue* value = signer.single_value(oid::signing_time);
    if (value == nullptr || (value->tag != asn1_tag::utc_time && value->tag != asn1_tag::generalized_time)) {
        return std::nullopt;
    }
    const int type = value->tag == asn1_tag::utc_time ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME;
    const OpenSslPtr<ASN1_TIME> time(ASN1_STRING_type_new(type));
    if (!time || ASN1_STRING_set(time.get(), value->content.data(), static_cast<int>(value->content.size())) != 1) {
        return std::nullopt;
    }
    auto read = time_of(time.get());
    return read ? std::optional<TimePoint>(*read) : std::nullopt;
}

Outcome<void> check_signing_time(const ScepRequest& request, TimePoint now, Seconds window) {
    if (request.signer().attributes(oid::signing_time).empty()) {
        return {};
    }
    const auto time = signing_time(request.signer());
    if (!time) {
        return reject(FailInfo::bad_time, "the signingTime cannot be read");
    }
    if (*time < now - window || *time > now + window) {
        return reject(FailInfo::bad_time, fmt::format("the signingTime {} is too far from this CA's time {}",
                                                      to_iso8601(*time), to_iso8601(now)));
    }
    return {};
}

Outcome<EnvelopedDataSyntax> read_envelope(const ScepRequest& request) {
    if (!request.signed_data.content) {
        return reject(FailInfo::bad_message_check, "the message has no pkcsPKIEnvelope");
    }
    auto envelope = read_enveloped_data(*request.signed_data.content);
    if (!envelope) {
        return reject(FailInfo::bad_message_check, "the pkcsPKIEnvelope is malformed");
    }
    return *std::move(envelope);
}

Outcome<Bytes> open_message(const EnvelopedDataSyntax& envelope, const Certificate& recipient, EVP_PKEY* key,
                            const AlgorithmFloor& floor) {
    auto cipher = floor.cipher(envelope.cipher);  // first, so that a weak message is named as such
    if (!cipher) {
        return tl::unexpected<Rejection>(cipher.error());
    }
    const IssuerAndSerial wanted = name_of(recipient);
    const auto ours = std::find_if(envelope.recipients.begin(), envelope.recipients.end(),
                                   [&](const RecipientSyntax& r) { return r.key_transport && r.id == wanted; });
    if (ours == envelope.recipients.end()) {
        return reject(FailInfo::bad_message_check, "the envelope is not for this CA's certificate");
    }
    return open_envelope(envelope, *ours, key, floor);
}

Outcome<IssuerAndSubject> read_issuer_and_subject(ByteView der) {
    const auto root = read_asn1(der);
    if (root && root->is(asn1_tag::sequence) && root->children.size() == 2) {
        auto issuer = DistinguishedName::from_der(root->children[0].whole);
        auto subject = DistinguishedName::from_der(root->children[1].whole);
        if (issuer && subject) {
            return IssuerAndSubject{*std::move(issuer), *std::move(subject)};
        }
    }
    return reject(FailInfo::bad_request, "the messageData is no issuerAndSubject");
}

}  // namespace hwenroll::lab_ca
