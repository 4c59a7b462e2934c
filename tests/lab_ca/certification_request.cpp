#include "tests/lab_ca/certification_request.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::string_view challenge_password_oid = "1.2.840.113549.1.9.7";

/// The content of a BIT STRING without its count of unused bits.
Bytes bit_string_octets(const Asn1Node& node) {
    return node.constructed || node.content.size() < 2 || node.content[0] != 0 ? Bytes{}
                                                                               : to_bytes(node.content.subspan(1));
}

}  // namespace

Outcome<CertificationRequest> CertificationRequest::from_der(ByteView der) {
    CertificationRequest out;
    const unsigned char* in = der.data();
    out.req_.reset(d2i_X509_REQ(nullptr, &in, static_cast<long>(der.size())));
    if (!out.req_ || in != der.data() + der.size() || !out.read_structure(der)) {
        take_openssl_errors();
        return reject(FailInfo::bad_request, "the PKCS#10 request is malformed");
    }
    const Bytes spki =
        der_of([&](unsigned char** to) { return i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(out.req_.get()), to); });
    auto key = PublicKey::from_spki(spki);
    if (!key) {
        return reject(FailInfo::bad_request, "the public key of the PKCS#10 request is malformed or of no known kind");
    }
    out.public_key_ = *std::move(key);
    out.subject_ = DistinguishedName::of(X509_REQ_get_subject_name(out.req_.get()));
    out.extensions_.reset(X509_REQ_get_extensions(out.req_.get()));
    take_openssl_errors();
    return out;
}

/// Reads what libcrypto does not show: version, algorithm, and the attributes with their string types.
bool CertificationRequest::read_structure(ByteView der) {
    const auto root = read_asn1(der);
    const Asn1Node* info = root ? root->child(0, asn1_tag::sequence) : nullptr;
    const Asn1Node* algorithm = root ? root->child(1, asn1_tag::sequence) : nullptr;
    constexpr std::uint8_t bit_string = 0x03;
    const Asn1Node* signature = root ? root->child(2, bit_string) : nullptr;
    if (info == nullptr || algorithm == nullptr || signature == nullptr ||
        info->child(0, asn1_tag::integer) == nullptr) {
        return false;
    }
    auto oid = algorithm->children.empty() ? std::nullopt : oid_text(algorithm->children[0]);
    if (!oid) {
        return false;
    }
    deviations_ = der_deviations(*root);
    version_ = small_integer(info->children[0]);
    signature_algorithm_.oid = *oid;
    signed_octets_ = to_bytes(info->whole);
    signature_ = bit_string_octets(*signature);
    const Asn1Node* attributes = info->child(3, asn1_tag::context_0);
    return attributes == nullptr || read_attributes(*attributes);
}

bool CertificationRequest::read_attributes(const Asn1Node& attributes) {
    for (const Asn1Node& attribute : attributes.children) {
        const auto type = attribute.children.empty() ? std::nullopt : oid_text(attribute.children[0]);
        const Asn1Node* values = attribute.child(1, asn1_tag::set);
        if (!type || values == nullptr) {
            return false;
        }
        attribute_types_.push_back(*type);
        if (*type == challenge_password_oid && !challenge_ && !values->children.empty()) {
            const Asn1Node& value = values->children[0];
            challenge_ = ChallengePassword{Secret(string_octets(value)), value.tag, values->children.size()};
        }
    }
    return true;
}

Outcome<void> CertificationRequest::verify(const AlgorithmFloor& floor) const {
    const DigestAlgorithm* digest = digest_of_signature(signature_algorithm_.oid);
    if (digest == nullptr || (digest->weak && !floor.allows_weak())) {
        return reject(FailInfo::bad_alg,
                      "the PKCS#10 signature algorithm " + signature_algorithm_.oid + " is not supported or too weak");
    }
    if (!verify_signature(*public_key_, signature_algorithm_, *digest, signed_octets_, signature_)) {
        return reject(FailInfo::bad_message_check, "the signature of the PKCS#10 request does not verify");
    }
    return {};
}

X509_EXTENSION* CertificationRequest::extension(int nid) const {
    const int index = X509v3_get_ext_by_NID(extensions_.get(), nid, -1);
    return index < 0 ? nullptr : sk_X509_EXTENSION_value(extensions_.get(), index);
}

int CertificationRequest::extension_count(int nid) const {
    int count = 0;
    for (int i = -1; (i = X509v3_get_ext_by_NID(extensions_.get(), nid, i)) >= 0;) {
        ++count;
    }
    return count;
}

}  // namespace hwenroll::lab_ca
