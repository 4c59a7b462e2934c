#include "transport/scep/dump_signed_data.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>

#include "transport/scep/digests.h"
#include "transport/scep/object_identifiers.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/reply_signature.h"

namespace hwenroll::scep {
namespace {

enum class Form : std::uint8_t { text, octets, object, time };

struct KnownAttribute {
    std::string_view oid;
    const char* name;
    Form form;
};

constexpr std::array<KnownAttribute, 11> known_attributes{{{oid_message_type, "messageType", Form::text},
                                                           {oid_transaction_id, "transactionID", Form::text},
                                                           {oid_pki_status, "pkiStatus", Form::text},
                                                           {oid_fail_info, "failInfo", Form::text},
                                                           {oid_fail_info_text, "failInfoText", Form::text},
                                                           {oid_microsoft_error, "HRESULT", Form::text},
                                                           {oid_sender_nonce, "senderNonce", Form::octets},
                                                           {oid_recipient_nonce, "recipientNonce", Form::octets},
                                                           {oid_message_digest, "messageDigest", Form::octets},
                                                           {oid_content_type, "contentType", Form::object},
                                                           {oid_signing_time, "signingTime", Form::time}}};

const KnownAttribute* find_known(std::string_view oid) {
    const auto* found = std::ranges::find(known_attributes, oid, &KnownAttribute::oid);
    return found == known_attributes.end() ? nullptr : found;
}

std::string time_text(const BerValue& value) {
    const unsigned char* in = value.encoding.data();
    const OpenSslPtr<ASN1_TIME> time(d2i_ASN1_TIME(nullptr, &in, static_cast<long>(value.encoding.size())));
    const auto point = time ? time_of(time.get()) : Result<TimePoint>(fail(ErrorCode::scep_structure, "no time"));
    ERR_clear_error();
    return point ? to_iso8601(*point) : "malformed";
}

template <class Word>
std::string with_word(const std::string& text, std::initializer_list<Word> words) {
    for (const Word word : words) {
        if (text == std::to_string(static_cast<unsigned>(word))) {
            return fmt::format("{} ({})", text, to_text(word));
        }
    }
    return text + " (unknown)";
}

/// The numbers of RFC 8894 §3.2.1 with their words.
std::string explained(std::string_view oid, const std::string& text) {
    if (oid == oid_message_type) {
        return with_word(text, {MessageType::cert_rep, MessageType::renewal_req, MessageType::pkcs_req,
                                MessageType::cert_poll, MessageType::get_cert, MessageType::get_crl});
    }
    if (oid == oid_pki_status) {
        return with_word(text, {PkiStatus::success, PkiStatus::failure, PkiStatus::pending});
    }
    if (oid == oid_fail_info) {
        return with_word(text, {FailInfo::bad_alg, FailInfo::bad_message_check, FailInfo::bad_request,
                                FailInfo::bad_time, FailInfo::bad_cert_id});
    }
    return text;
}

std::string value_text(const KnownAttribute& known, const BerValue& value) {
    constexpr std::size_t shown_octets = 128;
    const ByteView head = value.content.first(std::min(value.content.size(), shown_octets));
    switch (known.form) {
        case Form::text:
            return explained(known.oid, std::string(as_text(head)));
        case Form::octets:
            return to_hex(head);
        case Form::object: {
            BerFault fault;
            const std::string oid = oid_of(value, fault);
            return fault.failed() ? "malformed" : name_of_oid(oid);
        }
        case Form::time:
            return time_text(value);
    }
    return {};
}

void dump_attribute(const Attribute& attribute, DumpWriter& out) {
    const KnownAttribute* known = find_known(attribute.oid);
    if (known == nullptr) {
        out.line("attribute", name_of_oid(attribute.oid));
        return;
    }
    if (attribute.values.size() != 1) {
        out.note(
            fmt::format("{} has {} values instead of one", known->name, attribute.values.empty() ? "no" : "several"));
    }
    for (const BerValue& value : attribute.values) {
        out.line(known->name, value_text(*known, value));
        if (known->form == Form::text && attribute.oid != oid_fail_info_text && value.tag != tag::printable_string) {
            out.note(fmt::format("{} is not a PrintableString", known->name));
        }
    }
}

/// The signature under the certificate of the message itself: whether it is intact, not whether it is to be trusted.
std::string signature_state(const SignedData& data, const SignerInfo& signer) {
    const auto digest = digest_by_oid(signer.digest_algorithm.oid);
    if (!digest || !signer.signed_attributes) {
        return "not checked";
    }
    for (const ByteView der : data.certificates) {
        const auto certificate = Certificate::from_der(der);
        if (certificate && names(signer.id, *certificate)) {
            return signature_is_good(signer, certificate->public_key(), *digest)
                       ? "intact (trust in the signer was not checked)"
                       : "DOES NOT VERIFY";
        }
    }
    return "not checked: the signer's certificate is not in the message";
}

void dump_signer(const SignedData& data, const SignerInfo& signer, DumpWriter out) {
    out.line("signer", describe(signer.id));
    out.line("digest algorithm", name_of_oid(signer.digest_algorithm.oid));
    out.line("signature algorithm", name_of_oid(signer.signature_algorithm.oid));
    out.line("signature", signature_state(data, signer));
    const auto digest = digest_by_oid(signer.digest_algorithm.oid);
    if (!digest || *digest == Digest::sha1) {
        out.note("the digest is below the floor of SHA-256");
    }
    if (!signer.signed_attributes) {
        out.note("there are no signed attributes");
    }
    for (const Attribute& attribute : signer.attributes) {
        dump_attribute(attribute, out);
    }
}

}  // namespace

std::string attribute_text(const SignedData& data, std::string_view oid) {
    for (const SignerInfo& signer : data.signers) {
        for (const Attribute& attribute : signer.attributes) {
            if (attribute.oid == oid && !attribute.values.empty() && !attribute.values[0].constructed) {
                return std::string(as_text(attribute.values[0].content));
            }
        }
    }
    return {};
}

std::string dump_signed_data(const SignedData& data, DumpWriter out) {
    out.line("content type", name_of_oid(data.content_type));
    out.line("content", data.content ? fmt::format("{} octets", data.content->size()) : "none");
    for (const SignerInfo& signer : data.signers) {
        dump_signer(data, signer, out);
    }
    if (data.signers.size() > 1) {
        out.note(fmt::format("there are {} signers instead of one", data.signers.size()));
    }
    for (const ByteView der : data.certificates) {
        const auto certificate = Certificate::from_der(der);
        out.line("certificate", certificate ? "" : certificate.error().why());
        if (certificate) {
            dump_certificate(*certificate, out.nested());
        }
    }
    if (data.other_certificates != 0) {
        out.line("certificates of other kinds", std::to_string(data.other_certificates));
    }
    if (data.revocation_lists != 0) {
        out.line("CRLs", std::to_string(data.revocation_lists));
    }
    return attribute_text(data, oid_message_type);
}

}  // namespace hwenroll::scep
