#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tests/lab_ca/lint.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::string_view rsa_encryption = "1.2.840.113549.1.1.1";
constexpr std::string_view extension_request = "1.2.840.113549.1.9.14";
constexpr std::string_view ms_extension_request = "1.3.6.1.4.1.311.2.1.14";
constexpr std::string_view old_scep_extension_request = "2.16.840.1.113733.1.9.8";

void lint_recipient(const RecipientSyntax& recipient, const Certificate& expected, Findings& out) {
    constexpr std::array<std::uint8_t, 2> der_null{asn1_tag::null, 0};
    if (!recipient.key_transport || recipient.version != 0 || !recipient.id) {
        out.push_back({"ENV-4", "the recipient is not key transport, version 0, by issuerAndSerialNumber"});
        return;
    }
    if (*recipient.id != name_of(expected)) {
        out.push_back({"ENV-4", "the recipient is not this CA's certificate"});
    }
    if (recipient.key_algorithm.oid != rsa_encryption || !equal(recipient.key_algorithm.parameters, der_null)) {
        out.push_back({"ALG-8", "the key transport algorithm is not rsaEncryption with NULL"});
    }
}

bool fits_printable_string(ByteView octets) {
    return std::all_of(octets.begin(), octets.end(), [](std::uint8_t c) {
        return std::isalnum(c) != 0 ||
               std::string_view(" '()+,-./:=?").find(static_cast<char>(c)) != std::string_view::npos;
    });
}

void lint_challenge(const ChallengePassword& challenge, Findings& out) {
    if (challenge.values != 1 || challenge.value.empty() || challenge.value.size() > 255) {
        out.push_back({"CSR-2", "challengePassword is not one value of 1 to 255 octets"});
    }
    const std::uint8_t wanted =
        fits_printable_string(challenge.value.reveal()) ? asn1_tag::printable_string : asn1_tag::utf8_string;
    if (challenge.tag != wanted) {
        out.push_back({"CSR-2", "challengePassword is not a PrintableString, or a UTF8String where it must be"});
    }
}

void lint_csr_attributes(const CertificationRequest& csr, Findings& out) {
    std::set<std::string> seen;
    for (const std::string& type : csr.attribute_types()) {
        if (!seen.insert(type).second) {
            out.push_back({"CSR-2", "PKCS#10 attribute " + type + " is repeated"});
        }
    }
    if (seen.count(std::string(ms_extension_request)) != 0 ||
        seen.count(std::string(old_scep_extension_request)) != 0) {
        out.push_back(
            {"CSR-3", fmt::format("extensions are requested by another attribute than {}", extension_request)});
    }
    X509_EXTENSION* usage = csr.extension(NID_key_usage);
    if (usage != nullptr && X509_EXTENSION_get_critical(usage) != 1) {
        out.push_back({"CSR-3", "the requested keyUsage is not critical"});
    }
}

}  // namespace

Findings lint_envelope(const EnvelopedDataSyntax& envelope, const Certificate& recipient,
                       const Capabilities& capabilities) {
    Findings out;
    for (const std::string& deviation : envelope.deviations) {
        out.push_back({"SIG-9", "the envelope is not DER: " + deviation});
    }
    if (envelope.content_type != oid::data) {
        out.push_back({"ENV-1", "the encrypted content is not id-data but " + envelope.content_type});
    }
    if (envelope.version != 0) {
        out.push_back({"ENV-4", "EnvelopedData is not of version 0"});
    }
    if (envelope.recipients.size() != 1) {
        out.push_back({"ENV-3", fmt::format("{} recipients, not one", envelope.recipients.size())});
    } else {
        lint_recipient(envelope.recipients[0], recipient, out);
    }
    const ContentCipher* cipher = cipher_of(envelope.cipher.oid);
    if (cipher == nullptr || !capabilities.has(cipher->capability)) {
        out.push_back({"ALG-1", "the content cipher is not announced: " +
                                    (cipher == nullptr ? envelope.cipher.oid : std::string(cipher->name))});
    }
    return out;
}

Findings lint_certification_request(const CertificationRequest& csr, const ScepRequest& request, SignerKind kind) {
    Findings out;
    for (const std::string& deviation : csr.deviations()) {
        out.push_back({"SIG-9", "the PKCS#10 is not DER: " + deviation});
    }
    if (csr.version() != 0) {
        out.push_back({"CSR-1", "the PKCS#10 is not of version 0"});
    }
    if (csr.subject().empty()) {
        out.push_back({"MSG-21", "the PKCS#10 has no subject"});
    }
    const DigestAlgorithm* digest = digest_of_signature(csr.signature_algorithm().oid);
    if (digest == nullptr || digest->oid != request.signer().digest.oid) {
        out.push_back({"ALG-11", "the PKCS#10 is signed with another digest than the message"});
    }
    if (csr.challenge()) {
        lint_challenge(*csr.challenge(), out);
    }
    lint_csr_attributes(csr, out);
    // ENV-14: an EC key cannot receive the reply, an RSA key beside it can.
    const PublicKey& signer_key = request.signer_certificate->public_key();
    const bool fits = signer_key == csr.public_key() || (csr.public_key().is_ec() && signer_key.is_rsa());
    if (kind == SignerKind::self_signed && (request.signer_certificate->subject() != csr.subject() || !fits)) {
        out.push_back({"SIG-1", "the self-signed certificate has another subject or key than the PKCS#10"});
    }
    // ENV-13: what an EC key signs may be answered under the challenge.
    if (kind == SignerKind::issued_here && csr.challenge() && !signer_key.is_ec()) {
        out.push_back({"CSR-6", "a challengePassword in a request signed by an issued certificate"});
    }
    return out;
}

Findings lint_renewal(const CertificationRequest& csr, const ScepRequest& request, SignerKind kind,
                      const Capabilities& capabilities) {
    Findings out;
    if (request.message_type != MessageType::renewal_req) {
        if (kind == SignerKind::issued_here && capabilities.has("Renewal")) {
            out.push_back({"SIG-3", "an issued certificate signs a PKCSReq though RenewalReq is announced"});
        }
        return out;
    }
    if (!capabilities.has("Renewal")) {
        out.push_back({"CAPS-11", "a RenewalReq though it is not announced"});
    }
    if (kind == SignerKind::self_signed) {
        out.push_back({"SIG-1", "a self-signed certificate signs a RenewalReq"});
    }
    if (kind == SignerKind::issued_here && request.signer_certificate->subject() != csr.subject()) {
        out.push_back({"REN-7", "the subject of a RenewalReq is not that of its signer's certificate"});
    }
    if (const DigestAlgorithm* digest = digest_of(request.signer().digest.oid); digest == nullptr || digest->weak) {
        out.push_back({"SEC-5", "a RenewalReq is signed with a weak digest"});
    }
    return out;
}

Findings lint_secrecy(const CertificationRequest& csr, ByteView message) {
    constexpr std::size_t too_short_to_tell = 6;
    if (!csr.challenge() || csr.challenge()->value.size() < too_short_to_tell) {
        return {};
    }
    const ByteView secret = csr.challenge()->value.reveal();
    const bool found = std::search(message.begin(), message.end(), secret.begin(), secret.end()) != message.end();
    return found ? Findings{{"SEC-3", "the challengePassword stands outside the envelope"}} : Findings{};
}

Findings lint_poll(const IssuerAndSubject& poll, const Certificate& authority, const DistinguishedName* requested) {
    Findings out;
    if (poll.issuer != authority.subject()) {
        out.push_back({"MSG-22", "the issuer of a CertPoll is not this CA's subject"});
    }
    if (requested != nullptr && poll.subject != *requested) {
        out.push_back({"MSG-22", "the subject of a CertPoll is not that of its request"});
    }
    return out;
}

}  // namespace hwenroll::lab_ca
