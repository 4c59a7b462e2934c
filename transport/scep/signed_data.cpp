#include "transport/scep/signed_data.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/err.h>

#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

/// More would not be read by anyone: exactly one signer is accepted (SIG-10).
constexpr std::size_t max_signers = 16;
constexpr std::size_t max_digest_algorithms = 16;
constexpr std::size_t max_crls = 16;

Attribute read_attribute(BerReader& attributes, BerFault& fault) {
    BerReader fields = attributes.enter(tag::sequence, "an attribute");
    Attribute attribute;
    attribute.oid = oid_of(fields.expect(tag::object_identifier, "an attribute's type"), fault);
    BerReader values = fields.enter(tag::set, "an attribute's values");
    while (!values.at_end() && attribute.values.size() < 2) {
        // Two are enough to see that there is more than one.
        attribute.values.push_back(values.next("an attribute's value"));
    }
    return attribute;
}

void read_signed_attributes(SignerInfo& signer, BerReader& fields, BerFault& fault, const ParseLimits& limits) {
    signer.signed_attributes = fields.next_if(tag::context(0));
    if (!signer.signed_attributes) {
        return;
    }
    BerReader attributes = fields.members(*signer.signed_attributes, "signedAttrs");
    while (!attributes.at_end()) {
        if (signer.attributes.size() == limits.max_attributes) {
            attributes.reject(fmt::format("there are more than {} signed attributes", limits.max_attributes));
            return;
        }
        signer.attributes.push_back(read_attribute(attributes, fault));
    }
}

SignerInfo read_signer(BerReader& signers, BerFault& fault, const ParseLimits& limits) {
    BerReader fields = signers.enter(tag::sequence, "a SignerInfo");
    SignerInfo signer;
    fields.expect(tag::integer, "the version of a SignerInfo");
    signer.id = read_certificate_id(fields, fault);
    signer.digest_algorithm = read_algorithm(fields, fault, "digestAlgorithm");
    read_signed_attributes(signer, fields, fault, limits);
    signer.signature_algorithm = read_algorithm(fields, fault, "signatureAlgorithm");
    signer.signature = octets_of(fields.expect(tag::octet_string, "the signature"), fault);
    signer.has_unsigned_attributes = fields.next_if(tag::context(1)).has_value();
    fields.finish("a SignerInfo");
    return signer;
}

void read_encapsulated_content(SignedData& data, BerReader& fields, BerFault& fault) {
    BerReader content_info = fields.enter(tag::sequence, "encapContentInfo");
    data.content_type = oid_of(content_info.expect(tag::object_identifier, "eContentType"), fault);
    if (const auto wrapper = content_info.next_if(tag::context(0))) {
        BerReader inner = content_info.members(*wrapper, "eContent");
        // Present but empty stands for absent (DEG-1, MSG-19).
        if (!inner.at_end()) {
            data.content = octets_of(inner.expect(tag::octet_string, "eContent"), fault);
        }
        inner.finish("eContent");
    }
    content_info.finish("encapContentInfo");
}

void read_certificates(SignedData& data, BerReader& fields, const ParseLimits& limits) {
    const auto set = fields.next_if(tag::context(0));
    if (!set) {
        return;
    }
    BerReader members = fields.members(*set, "certificates");
    while (!members.at_end()) {
        const BerValue member = members.next("a certificate");
        if (member.tag == tag::sequence) {
            data.certificates.push_back(member.encoding);
        } else {
            ++data.other_certificates;
        }
        if (data.certificates.size() + data.other_certificates > limits.max_certificates) {
            members.reject(fmt::format("there are more than {} certificates", limits.max_certificates));
        }
    }
}

void read_revocation_lists(SignedData& data, BerReader& fields) {
    if (const auto set = fields.next_if(tag::context(1))) {
        for (BerReader members = fields.members(*set, "crls"); !members.at_end();) {
            const BerValue member = members.next("a CRL");
            ++data.revocation_lists;
            if (member.tag == tag::sequence && data.crls.size() < max_crls) {
                data.crls.push_back(member.encoding);
            }
        }
    }
}

void read_signers(SignedData& data, BerReader& fields, BerFault& fault, const ParseLimits& limits) {
    BerReader signers = fields.enter(tag::set, "signerInfos");
    while (!signers.at_end()) {
        if (data.signers.size() == max_signers) {
            signers.reject("there are too many signers");
            return;
        }
        data.signers.push_back(read_signer(signers, fault, limits));
    }
}

SignedData read_signed_data(const BerValue& value, BerFault& fault, const ParseLimits& limits) {
    SignedData data;
    BerReader outer(value.encoding, fault, value.offset);
    BerReader fields = outer.enter(tag::sequence, "SignedData");
    fields.expect(tag::integer, "the version of SignedData");
    BerReader algorithms = fields.enter(tag::set, "digestAlgorithms");
    while (!algorithms.at_end() && data.digest_algorithms.size() < max_digest_algorithms) {
        data.digest_algorithms.push_back(read_algorithm(algorithms, fault, "a digest algorithm").oid);
    }
    algorithms.finish("digestAlgorithms");
    read_encapsulated_content(data, fields, fault);
    read_certificates(data, fields, limits);
    read_revocation_lists(data, fields);
    read_signers(data, fields, fault, limits);
    fields.finish("SignedData");
    return data;
}

}  // namespace

Result<ContentInfo> parse_content_info(ByteView input, const ParseLimits& limits) {
    const Result<std::size_t> size = check_ber(input, limits.max_depth);
    if (!size) {
        return fail(size.error());
    }
    BerFault fault;
    BerReader outer(input, fault);
    ContentInfo info;
    BerReader fields = outer.enter(tag::sequence, "ContentInfo");
    info.type = oid_of(fields.expect(tag::object_identifier, "the content type"), fault);
    BerReader content = fields.enter(tag::context(0), "the content");
    info.content = content.next("the content");
    content.finish("the content");
    fields.finish("ContentInfo");
    outer.finish("the message");
    if (Status read = fault.status(ErrorCode::scep_structure, "the message is no CMS message"); !read) {
        return fail(std::move(read).error());
    }
    return info;
}

Result<SignedData> parse_signed_data(ByteView input, const ParseLimits& limits) {
    Result<ContentInfo> info = parse_content_info(input, limits);
    if (!info) {
        return fail(std::move(info).error());
    }
    if (info->type != oid_signed_data) {
        return fail(ErrorCode::scep_structure, "the message is no SignedData",
                    "its content type is " + name_of_oid(info->type));
    }
    BerFault fault;
    SignedData data = read_signed_data(info->content, fault, limits);
    if (Status read = fault.status(ErrorCode::scep_structure, "the message's SignedData is malformed"); !read) {
        return fail(std::move(read).error());
    }
    return data;
}

Result<std::vector<Certificate>> certificates_of(const SignedData& data) {
    std::vector<Certificate> certificates;
    std::optional<Error> unreadable;
    for (const ByteView encoding : data.certificates) {
        auto certificate = Certificate::from_der(encoding);
        if (!certificate) {
            unreadable = std::move(certificate).error();
        } else if (std::ranges::find(certificates, *certificate) == certificates.end()) {
            certificates.push_back(*std::move(certificate));
        }
    }
    if (certificates.empty() && unreadable) {
        return fail(*std::move(unreadable));
    }
    return certificates;
}

AlgorithmId read_algorithm(BerReader& reader, BerFault& fault, std::string_view what) {
    BerReader fields = reader.enter(tag::sequence, what);
    AlgorithmId algorithm;
    algorithm.oid = oid_of(fields.expect(tag::object_identifier, what), fault);
    if (!fields.at_end()) {
        algorithm.parameters = fields.next(what);
    }
    fields.finish(what);
    return algorithm;
}

CertificateId read_certificate_id(BerReader& reader, BerFault& fault) {
    CertificateId id;
    if (const auto key_id = reader.next_if(tag::context(0))) {
        if (key_id->constructed) {
            fault.record(key_id->offset, "a subject key identifier is not primitive");
        }
        id.subject_key_id = key_id->content;
        return id;
    }
    BerReader fields = reader.enter(tag::sequence, "issuerAndSerialNumber");
    id.issuer = fields.expect(tag::sequence, "an issuer").encoding;
    id.serial = fields.expect(tag::integer, "a serial number").encoding;
    fields.finish("issuerAndSerialNumber");
    return id;
}

bool names(const CertificateId& id, const Certificate& certificate) {
    X509* x509 = certificate.get();
    if (id.subject_key_id) {
        const auto* own = X509_get0_subject_key_id(x509);
        return own != nullptr && equal(*id.subject_key_id,
                                       {ASN1_STRING_get0_data(own), static_cast<std::size_t>(ASN1_STRING_length(own))});
    }
    const unsigned char* in = id.serial.data();
    const OpenSslPtr<ASN1_INTEGER> serial(d2i_ASN1_INTEGER(nullptr, &in, static_cast<long>(id.serial.size())));
    const auto issuer = DistinguishedName::from_der(id.issuer);
    if (!serial || !issuer) {
        ERR_clear_error();
        return false;
    }
    return ASN1_INTEGER_cmp(serial.get(), X509_get0_serialNumber(x509)) == 0 &&
           X509_NAME_cmp(issuer->to_x509_name().get(), X509_get_issuer_name(x509)) == 0;
}

std::string describe(const CertificateId& id) {
    const auto shortened = [](ByteView octets) {
        constexpr std::size_t shown_octets = 24;
        return to_hex(octets.first(std::min(octets.size(), shown_octets))) + (octets.size() > shown_octets ? "…" : "");
    };
    if (id.subject_key_id) {
        return "subject key " + shortened(*id.subject_key_id);
    }
    const auto issuer = DistinguishedName::from_der(id.issuer);
    BerFault fault;
    const BerValue serial = BerReader(id.serial, fault).next("a serial number");
    return fmt::format("serial {} of {}", shortened(serial.content),
                       issuer ? printable(issuer->text(), 200) : "a malformed issuer");
}

}  // namespace hwenroll::scep
