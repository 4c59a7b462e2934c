#include "transport/scep/message_dump.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>

#include "base/secret.h"
#include "transport/scep/ber.h"
#include "transport/scep/capabilities.h"
#include "transport/scep/dump_signed_data.h"
#include "transport/scep/dump_writer.h"
#include "transport/scep/envelope.h"
#include "transport/scep/message_text.h"
#include "transport/scep/object_identifiers.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

/// What a dump is made with.
struct Tools {
    EVP_PKEY* recipient_key;
    const ParseLimits& limits;
    ByteView value;  ///< the whole message
};

OpenSslPtr<X509_REQ> request_from(ByteView der) {
    const unsigned char* in = der.data();
    OpenSslPtr<X509_REQ> request(d2i_X509_REQ(nullptr, &in, static_cast<long>(der.size())));
    if (request && in != der.data() + der.size()) {
        request.reset();
    }
    ERR_clear_error();
    return request;
}

/// IssuerAndSubject of CertPoll (RFC 8894 §3.3.3) or IssuerAndSerialNumber of GetCert and GetCRL (§3.3.4).
bool dump_names(ByteView content, DumpWriter& out) {
    BerFault fault;
    BerReader fields = BerReader(content, fault).enter(tag::sequence, "the content");
    const auto issuer = DistinguishedName::from_der(fields.expect(tag::sequence, "issuer").encoding);
    const BerValue second = fields.next("subject or serial number");
    fields.finish("the content");
    if (fault.failed() || !issuer) {
        return false;
    }
    if (second.tag == tag::integer) {
        out.line("issuer", issuer->text());
        out.line("serial", to_hex(second.content.first(std::min<std::size_t>(second.content.size(), 32))));
        return true;
    }
    const auto subject = DistinguishedName::from_der(second.encoding);
    if (subject) {
        out.line("issuer", issuer->text());
        out.line("subject", subject->text());
    }
    return subject.has_value();
}

/// What an envelope held: a CSR, names, or certificates.
void dump_plaintext(ByteView content, const Tools& tools, DumpWriter out) {
    if (const OpenSslPtr<X509_REQ> request = request_from(content)) {
        out.line("content", "CSR");
        dump_request(request.get(), out.nested());
    } else if (const auto data = parse_signed_data(content, tools.limits)) {
        out.line("content", "set of certificates");
        dump_signed_data(*data, out.nested());
        dump_revocation_lists(content, out.nested());
    } else if (DumpWriter inner = out.nested(); !dump_names(content, inner)) {
        out.line("content", fmt::format("{} octets of an unknown kind", content.size()));
    }
}

void open_with_key(const EnvelopedData& data, const Tools& tools, DumpWriter& out) {
    constexpr LegacyPermissions everything{true, true, true, true};
    const auto modulus_size = static_cast<std::size_t>(EVP_PKEY_get_size(tools.recipient_key));
    for (const KeyTransRecipient& recipient : data.recipients) {
        const Result<Secret> content =
            open_for_recipient(data, recipient, tools.recipient_key, modulus_size, everything, tools.limits);
        if (content) {
            out.line("opened", "with the given key");
            dump_plaintext(content->reveal(), tools, out.nested());
            return;
        }
        out.line("not opened", content.error().what());
    }
    if (data.recipients.empty()) {
        out.line("not opened", "no recipient by key transport");
    }
}

void dump_envelope(ByteView envelope, const Tools& tools, DumpWriter out) {
    const Result<EnvelopedData> data = parse_enveloped_data(envelope, tools.limits);
    if (!data) {
        out.line("envelope", "unreadable: " + data.error().what() + " " + data.error().why());
        out.note("the content is no readable envelope");
        return;
    }
    out.line("envelope");
    DumpWriter inner = out.nested();
    for (const KeyTransRecipient& recipient : data->recipients) {
        inner.line("recipient", describe(recipient.id));
        inner.line("key transport", name_of_oid(recipient.algorithm.oid));
    }
    for (const std::string& kind : data->other_recipients) {
        inner.line("recipient", "by " + kind);
    }
    if (data->recipients.size() + data->other_recipients.size() != 1) {
        inner.note("the envelope has not exactly one recipient");
    }
    const CipherInfo* cipher = cipher_by_oid(data->content_algorithm.oid);
    inner.line("cipher", name_of_oid(data->content_algorithm.oid));
    if (cipher == nullptr || cipher->cipher == ContentCipher::des || cipher->cipher == ContentCipher::des3) {
        inner.note("the cipher is not one of AES in CBC mode");
    }
    inner.line("encrypted content",
               data->encrypted_content ? fmt::format("{} octets", data->encrypted_content->size()) : "none");
    if (tools.recipient_key != nullptr && data->encrypted_content) {
        open_with_key(*data, tools, inner);
    }
}

std::string word_of_type(const std::string& number) {
    constexpr std::array types{MessageType::cert_rep,  MessageType::renewal_req, MessageType::pkcs_req,
                               MessageType::cert_poll, MessageType::get_cert,    MessageType::get_crl};
    const auto* found = std::ranges::find_if(
        types, [&](MessageType type) { return number == std::to_string(static_cast<unsigned>(type)); });
    return found == types.end() ? "of unknown type" : std::string(to_text(*found));
}

std::string word_of_status(const std::string& number) {
    return number == "0" ? "SUCCESS" : number == "2" ? "FAILURE" : number == "3" ? "PENDING" : "of unknown status";
}

/// SIG-3: a renewal is signed by a certificate that the server, or another CA, issued.
void note_signer_of_renewal(const SignedData& data, DumpWriter& out) {
    for (const ByteView der : data.certificates) {
        const auto certificate = Certificate::from_der(der);
        if (certificate && names(data.signers[0].id, *certificate) && certificate->is_self_issued()) {
            out.note("a RenewalReq is signed by a self-signed certificate");
        }
    }
    ERR_clear_error();
}

void dump_signed_message(const SignedData& data, const Tools& tools, MessageDump& result) {
    DumpWriter out(result);
    const std::string type = dump_signed_data(data, out);
    dump_revocation_lists(tools.value, out);
    if (data.signers.empty()) {
        result.kind = "GetCACert set";
        return;
    }
    if (type.empty()) {
        result.kind = "signed set of certificates (GetNextCACert)";
        if (data.content && !data.content->empty()) {
            out.line("signed content");
            dump_plaintext(*data.content, tools, out.nested());
        } else {
            out.note("the certificates are not in the signed content");
        }
        return;
    }
    result.kind = type == "3" ? "CertRep " + word_of_status(attribute_text(data, oid_pki_status))
                              : "pkiMessage " + word_of_type(type);
    if (type == std::to_string(static_cast<unsigned>(MessageType::renewal_req))) {
        note_signer_of_renewal(data, out);
    }
    if (data.content_type != oid_data) {
        out.note("the content type is not data");
    }
    constexpr std::size_t placeholder = 1;
    if (data.content && data.content->size() > placeholder) {
        dump_envelope(*data.content, tools, out);
    }
}

Result<MessageDump> dump_text(ByteView body) {
    const Capabilities capabilities = parse_capabilities(body);
    MessageDump result;
    result.kind = "GetCACaps";
    if (capabilities == Capabilities{{}, {}, {}, {}, {}, {}, {}, {}, {}, capabilities.unknown, capabilities.warnings}) {
        return fail(ErrorCode::scep_structure, "this is no SCEP message",
                    fmt::format("octet 0: text that begins '{}'", printable(as_text(body), 80)));
    }
    DumpWriter out(result);
    out.line("capabilities", to_text(capabilities));
    for (const std::string& word : capabilities.unknown) {
        out.line("unknown", word);
    }
    for (const std::string& warning : capabilities.warnings) {
        out.note(warning);
    }
    return result;
}

/// A certificate, a request or a CRL; false when the value is none of them.
bool dump_bare(ByteView value, MessageDump& result) {
    if (const auto certificate = Certificate::from_der(value)) {
        result.kind = "certificate";
        dump_certificate(*certificate, DumpWriter(result));
        return true;
    }
    ERR_clear_error();
    if (const OpenSslPtr<X509_REQ> request = request_from(value)) {
        result.kind = "CSR";
        dump_request(request.get(), DumpWriter(result));
        return true;
    }
    result.kind = "CRL";
    return dump_revocation_list(value, DumpWriter(result));
}

bool begins_with_a_sequence(ByteView body) {
    constexpr std::uint8_t sequence = 0x30;
    return body.size() > 1 && body[0] == sequence && (body[1] >= 0x7F || body[1] < 0x20);
}

/// A message behind a text, or the text of GetCACaps.
Result<MessageDump> dump_any_text(ByteView body, EVP_PKEY* recipient_key, const ParseLimits& limits) {
    const auto message = read_text_message(body);
    if (!message) {
        return fail(message.error());
    }
    if (!*message) {
        return dump_text(body);
    }
    const TextMessage& text = **message;
    if (!begins_with_a_sequence(text.octets)) {
        return fail(ErrorCode::scep_structure, "this is no SCEP message",
                    fmt::format("octet 0 of {}: it does not begin as one", text.form));
    }
    auto result = dump(text.octets, recipient_key, limits);
    if (!result) {
        return fail(ErrorCode::scep_structure, result.error().what(),
                    fmt::format("{} (of {})", result.error().why(), text.form));
    }
    result->lines.insert(result->lines.begin(), DumpLine{0, "read from", printable(text.form)});
    return result;
}

}  // namespace

Result<MessageDump> dump(ByteView body, EVP_PKEY* recipient_key, const ParseLimits& limits) {
    if (body.size() > limits.max_message) {
        return fail(ErrorCode::scep_structure, "the message is larger than allowed",
                    fmt::format("octet {}: at most {} are read", body.size(), limits.max_message));
    }
    const Result<std::size_t> size = check_ber(body, limits.max_depth);
    if (!size) {
        if (!begins_with_a_sequence(body)) {
            return dump_any_text(body, recipient_key, limits);
        }
        const Error& error = size.error();
        return fail(ErrorCode::scep_structure, error.what(),
                    error.code() == ErrorCode::ca_truncated ? fmt::format("octet {}: {}", body.size(), error.why())
                                                            : error.why());
    }
    const ByteView value = body.first(*size);
    const Tools tools{recipient_key, limits, value};
    MessageDump result;
    if (*size != body.size()) {
        result.notes.push_back(fmt::format("{} octets behind the message were ignored", body.size() - *size));
    }
    const auto info = parse_content_info(value, limits);
    if (!info) {
        if (dump_bare(value, result)) {
            return result;
        }
        return begins_with_a_sequence(body) ? fail(info.error()) : dump_any_text(body, recipient_key, limits);
    }
    if (info->type == oid_enveloped_data) {
        result.kind = "envelope";
        dump_envelope(value, tools, DumpWriter(result));
        return result;
    }
    const auto data = parse_signed_data(value, limits);
    if (!data) {
        return fail(data.error());
    }
    dump_signed_message(*data, tools, result);
    return result;
}

}  // namespace hwenroll::scep
