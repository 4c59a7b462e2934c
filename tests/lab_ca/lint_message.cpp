#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "tests/lab_ca/lint.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t nonce_size = 16;
constexpr std::size_t max_transaction_id = 128;
constexpr TimePoint utc_time_end = std::chrono::sys_days(std::chrono::year(2050) / 1 / 1);

bool is_printable_string(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
    });
}

bool is_hexadecimal(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
    });
}

void lint_structure(const ScepRequest& request, Findings& out) {
    const SignedDataSyntax& message = request.signed_data;
    const SignerSyntax& signer = request.signer();
    for (const std::string& deviation : message.deviations) {
        out.push_back({"SIG-9", "the message is not DER: " + deviation});
    }
    if (message.content_type != oid::data) {
        out.push_back({"MSG-1", "eContentType is not id-data but " + message.content_type});
    }
    if (message.version != 1) {
        out.push_back({"SIG-6", "SignedData is not of version 1"});
    }
    if (message.digests.size() != 1 || message.digests[0].oid != signer.digest.oid) {
        out.push_back({"SIG-6", "digestAlgorithms is not just the signer's"});
    }
    if (signer.version != 1 || !signer.id) {
        out.push_back({"SIG-7", "the SignerInfo is not of version 1 with issuerAndSerialNumber"});
    }
    if (!signer.attributes_in_order) {
        out.push_back({"MSG-3", "the signed attributes are not in DER order"});
    }
    if (!request.signer_certificate) {
        out.push_back({"SIG-5", "the signer's certificate is not in the message"});
    }
}

void lint_digest(const SignerSyntax& signer, const Capabilities& capabilities, Findings& out) {
    const DigestAlgorithm* digest = digest_of(signer.digest.oid);
    if (digest == nullptr || !capabilities.has(digest->capability)) {
        out.push_back({"ALG-4", "the digest is not announced: " +
                                    (digest == nullptr ? signer.digest.oid : std::string(digest->capability))});
    }
}

/// The table of RFC 8894 §3.2 and MSG-2.
void lint_attribute_set(const SignerSyntax& signer, Findings& out) {
    std::set<std::string> seen;
    for (const AttributeSyntax& attribute : signer.signed_attributes) {
        if (!seen.insert(attribute.oid).second || attribute.values.size() != 1) {
            out.push_back({"MSG-2", "signed attribute " + attribute.oid + " is repeated or has not one value"});
        }
    }
    for (const std::string_view reply_only : {oid::pki_status, oid::fail_info, oid::recipient_nonce}) {
        if (seen.count(std::string(reply_only)) != 0) {
            out.push_back({"SRV-14", fmt::format("attribute {} does not belong in a request", reply_only)});
        }
    }
    if (!signer.unsigned_attributes.empty()) {
        out.push_back({"MSG-2", "there are unsigned attributes"});
    }
}

void lint_text_attribute(const SignerSyntax& signer, std::string_view type, const char* id, const char* name,
                         Findings& out) {
    const AttributeValue* value = signer.single_value(type);
    if (value != nullptr &&
        (value->tag != asn1_tag::printable_string || !is_printable_string(as_text(value->content)))) {
        out.push_back({id, fmt::format("{} is not a PrintableString", name)});
    }
}

void lint_attribute_values(const ScepRequest& request, Findings& out) {
    const SignerSyntax& signer = request.signer();
    lint_text_attribute(signer, oid::transaction_id, "MSG-4", "transactionID", out);
    lint_text_attribute(signer, oid::message_type, "MSG-11", "messageType", out);
    if (request.transaction_id.size() > max_transaction_id || !is_hexadecimal(request.transaction_id)) {
        out.push_back({"MSG-5", "transactionID is not hexadecimal of at most 128 characters"});
    }
    if (!request.message_type || std::to_string(static_cast<int>(*request.message_type)) != request.message_type_text) {
        out.push_back({"MSG-11", "messageType is not a client's in plain decimal"});
    }
    if (request.sender_nonce.size() != nonce_size) {
        out.push_back({"MSG-7", fmt::format("senderNonce has {} octets, not 16", request.sender_nonce.size())});
    }
    const AttributeValue* time = signer.single_value(oid::signing_time);
    const auto read = signing_time(signer);
    if (time != nullptr && (!read || (*read < utc_time_end) != (time->tag == asn1_tag::utc_time))) {
        out.push_back({"SIG-8", "signingTime is not UTCTime, or GeneralizedTime from 2050"});
    }
}

std::string signature_algorithm_of(const Certificate& certificate) {
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(nullptr, &algorithm, certificate.get());
    std::array<char, 80> text{};
    OBJ_obj2txt(text.data(), static_cast<int>(text.size()), algorithm->algorithm, 1);
    return text.data();
}

}  // namespace

Findings lint_signed_data(const ScepRequest& request, const Capabilities& capabilities) {
    Findings out;
    lint_structure(request, out);
    lint_digest(request.signer(), capabilities, out);
    lint_attribute_set(request.signer(), out);
    lint_attribute_values(request, out);
    return out;
}

Findings lint_signer(const ScepRequest& request, SignerKind kind, TimePoint now) {
    Findings out;
    if (!request.signer_certificate) {
        return out;
    }
    const Certificate& signer = *request.signer_certificate;
    if (kind == SignerKind::other) {
        out.push_back({"SIG-1", "the signer's certificate is neither self-signed nor from this CA"});
    }
    const bool valid = now >= signer.not_before() && now <= signer.not_after();
    if (kind == SignerKind::issued_here && !valid) {
        out.push_back({"REN-5", "the signer's issued certificate is not valid now"});
    }
    if (kind != SignerKind::self_signed) {
        return out;
    }
    if (const DigestAlgorithm* digest = digest_of_signature(signature_algorithm_of(signer));
        digest == nullptr || digest->oid != request.signer().digest.oid) {
        out.push_back({"ALG-11", "the self-signed certificate is signed with another digest than the message"});
    }
    const std::uint32_t wanted =
        signer.public_key().is_rsa() ? KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE;
    if (signer.key_usage() == ~std::uint32_t{0} || (signer.key_usage() & wanted) != wanted) {
        out.push_back({"SIG-1", "the self-signed certificate lacks keyUsage digitalSignature or keyEncipherment"});
    }
    constexpr std::size_t min_serial = 8;  // far from what two attempts could both choose
    if (X509_get_version(signer.get()) != X509_VERSION_3 || name_of(signer).serial.size() < min_serial) {
        out.push_back({"SIG-2", "the self-signed certificate is not v3 with a long random serial number"});
    }
    if (signer.is_ca()) {
        out.push_back({"SIG-2", "the self-signed certificate calls itself a CA"});
    }
    if (!valid) {
        out.push_back({"SIG-2", "the self-signed certificate is not valid now"});
    }
    return out;
}

}  // namespace hwenroll::lab_ca
