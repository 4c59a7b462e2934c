#include "tests/lab_ca/cms_syntax.h"

#include <algorithm>

namespace hwenroll::lab_ca {
namespace {

tl::unexpected<Error> malformed(std::string_view what) {
    return fail(ErrorCode::scep_structure, "malformed CMS", std::string(what));
}

/// ContentInfo ::= SEQUENCE { contentType, [0] EXPLICIT content } (RFC 5652 §3)
const Asn1Node* content_of(const Asn1Node& content_info, std::string_view type) {
    const Asn1Node* oid = content_info.child(0, asn1_tag::oid);
    const Asn1Node* explicit_tag = content_info.child(1, asn1_tag::context_0);
    if (!content_info.is(asn1_tag::sequence) || oid == nullptr || explicit_tag == nullptr || oid_text(*oid) != type) {
        return nullptr;
    }
    return explicit_tag->child(0, asn1_tag::sequence);
}

std::optional<AlgorithmSyntax> algorithm(const Asn1Node* node) {
    if (node == nullptr || node->children.empty() || node->children.size() > 2) {
        return std::nullopt;
    }
    auto oid = oid_text(node->children[0]);
    if (!oid) {
        return std::nullopt;
    }
    return AlgorithmSyntax{*oid, node->children.size() == 2 ? to_bytes(node->children[1].whole) : Bytes{}};
}

/// Appends the attributes in `set`; false when one is malformed.
bool read_attributes(const Asn1Node& set, std::vector<AttributeSyntax>& out) {
    for (const Asn1Node& node : set.children) {
        const Asn1Node* values = node.child(1, asn1_tag::set);
        auto type = node.children.empty() ? std::nullopt : oid_text(node.children[0]);
        if (!node.is(asn1_tag::sequence) || !type || values == nullptr || node.children.size() != 2) {
            return false;
        }
        AttributeSyntax attribute{*type, {}};
        for (const Asn1Node& value : values->children) {
            attribute.values.push_back({value.tag, string_octets(value)});
        }
        out.push_back(std::move(attribute));
    }
    return true;
}

/// The attributes' own octets under the universal SET tag (MSG-3).
Bytes signed_octets_of(const Asn1Node& attributes) {
    Bytes content;
    for (const Asn1Node& node : attributes.children) {
        content.insert(content.end(), node.whole.begin(), node.whole.end());
    }
    return wrap_der(0x31, content);
}

bool ascending(const Asn1Node& set) {
    return std::is_sorted(set.children.begin(), set.children.end(), [](const Asn1Node& a, const Asn1Node& b) {
        return std::lexicographical_compare(a.whole.begin(), a.whole.end(), b.whole.begin(), b.whole.end());
    });
}

/// SignerInfo (RFC 5652 §5.3)
std::optional<SignerSyntax> signer(const Asn1Node& node) {
    if (!node.is(asn1_tag::sequence) || node.children.size() < 5) {
        return std::nullopt;
    }
    SignerSyntax out;
    std::size_t i = 0;
    out.version = small_integer(node.children[i++]);
    const Asn1Node& id = node.children[i++];
    out.id = issuer_and_serial(id);
    if (!out.id && id.is(asn1_tag::context_0)) {
        out.key_identifier = string_octets(id);
    }
    auto digest = algorithm(node.child(i++, asn1_tag::sequence));
    if (const Asn1Node* attributes = node.child(i, asn1_tag::context_0)) {
        out.signed_octets = signed_octets_of(*attributes);
        out.attributes_in_order = ascending(*attributes);
        ++i;
        if (!read_attributes(*attributes, out.signed_attributes)) {
            return std::nullopt;
        }
    }
    auto signature_algorithm = algorithm(node.child(i++, asn1_tag::sequence));
    const Asn1Node* signature = node.child(i++, asn1_tag::octet_string);
    const Asn1Node* unsigned_attributes = node.child(i, asn1_tag::context_1);
    if (!digest || !signature_algorithm || signature == nullptr ||
        (unsigned_attributes != nullptr && !read_attributes(*unsigned_attributes, out.unsigned_attributes))) {
        return std::nullopt;
    }
    out.digest = *digest;
    out.signature_algorithm = *signature_algorithm;
    out.signature = string_octets(*signature);
    return out;
}

/// EncapsulatedContentInfo (RFC 5652 §5.2)
bool read_encapsulated(const Asn1Node& node, SignedDataSyntax& out) {
    auto type = node.children.empty() ? std::nullopt : oid_text(node.children[0]);
    if (!type) {
        return false;
    }
    out.content_type = *type;
    if (const Asn1Node* explicit_tag = node.child(1, asn1_tag::context_0)) {
        const Asn1Node* octets = explicit_tag->child(0, asn1_tag::octet_string);
        if (octets == nullptr) {
            return false;
        }
        out.content = string_octets(*octets);
    }
    return true;
}

/// KeyTransRecipientInfo (RFC 5652 §6.2.1); other kinds carry a context tag.
std::optional<RecipientSyntax> recipient(const Asn1Node& node) {
    RecipientSyntax out;
    if (!node.is(asn1_tag::sequence)) {
        constexpr std::uint8_t password_tag = 0x83;
        out.by_password = node.is(password_tag);
        return out;
    }
    const Asn1Node* key = node.child(3, asn1_tag::octet_string);
    auto key_algorithm = algorithm(node.child(2, asn1_tag::sequence));
    if (key == nullptr || !key_algorithm) {
        return std::nullopt;
    }
    out.key_transport = true;
    out.version = small_integer(node.children[0]);
    out.id = issuer_and_serial(node.children[1]);
    out.key_algorithm = *key_algorithm;
    out.encrypted_key = string_octets(*key);
    return out;
}

/// EncryptedContentInfo (RFC 5652 §6.1)
bool read_encrypted_content(const Asn1Node& node, EnvelopedDataSyntax& out) {
    auto type = node.children.empty() ? std::nullopt : oid_text(node.children[0]);
    auto cipher = algorithm(node.child(1, asn1_tag::sequence));
    if (!type || !cipher) {
        return false;
    }
    out.content_type = *type;
    out.cipher = *cipher;
    if (const Asn1Node* iv = node.children[1].child(1, asn1_tag::octet_string)) {
        out.iv = string_octets(*iv);
    }
    if (const Asn1Node* content = node.child(2, asn1_tag::context_0)) {
        out.encrypted_content = string_octets(*content);
    }
    return true;
}

}  // namespace

std::optional<IssuerAndSerial> issuer_and_serial(const Asn1Node& node) {
    const Asn1Node* issuer = node.child(0, asn1_tag::sequence);
    const Asn1Node* serial = node.child(1, asn1_tag::integer);
    if (!node.is(asn1_tag::sequence) || issuer == nullptr || serial == nullptr || node.children.size() != 2) {
        return std::nullopt;
    }
    return IssuerAndSerial{to_bytes(issuer->whole), integer_octets(*serial)};
}

std::vector<const AttributeSyntax*> SignerSyntax::attributes(std::string_view type) const {
    std::vector<const AttributeSyntax*> found;
    for (const AttributeSyntax& attribute : signed_attributes) {
        if (attribute.oid == type) {
            found.push_back(&attribute);
        }
    }
    return found;
}

const AttributeValue* SignerSyntax::single_value(std::string_view type) const {
    const auto found = attributes(type);
    return found.size() == 1 && found[0]->values.size() == 1 ? &found[0]->values[0] : nullptr;
}

Result<SignedDataSyntax> read_signed_data(ByteView content_info) {
    auto root = read_asn1(content_info);
    if (!root) {
        return fail(root.error());
    }
    const Asn1Node* body = content_of(*root, oid::signed_data);
    const Asn1Node* digests = body == nullptr ? nullptr : body->child(1, asn1_tag::set);
    const Asn1Node* encapsulated = body == nullptr ? nullptr : body->child(2, asn1_tag::sequence);
    if (digests == nullptr || encapsulated == nullptr) {
        return malformed("no SignedData");
    }
    SignedDataSyntax out;
    out.deviations = der_deviations(*root);
    out.version = small_integer(body->children[0]);
    for (const Asn1Node& node : digests->children) {
        if (auto digest = algorithm(&node)) {
            out.digests.push_back(*digest);
        }
    }
    if (!read_encapsulated(*encapsulated, out)) {
        return malformed("no encapsulated content");
    }
    for (std::size_t i = 3; i < body->children.size(); ++i) {
        const Asn1Node& field = body->children[i];
        for (const Asn1Node& node : field.children) {
            if (field.is(asn1_tag::context_0) && node.is(asn1_tag::sequence)) {
                out.certificates.push_back(to_bytes(node.whole));
            } else if (field.is(asn1_tag::set)) {
                auto info = signer(node);
                if (!info) {
                    return malformed("a SignerInfo");
                }
                out.signers.push_back(*std::move(info));
            }
        }
    }
    return out;
}

Result<EnvelopedDataSyntax> read_enveloped_data(ByteView content_info) {
    auto root = read_asn1(content_info);
    if (!root) {
        return fail(root.error());
    }
    const Asn1Node* body = content_of(*root, oid::enveloped_data);
    // originatorInfo [0], which no SCEP client needs, may stand before the recipients.
    const std::size_t first = body != nullptr && body->child(1, asn1_tag::context_0) != nullptr ? 2 : 1;
    const Asn1Node* recipients = body == nullptr ? nullptr : body->child(first, asn1_tag::set);
    const Asn1Node* encrypted = body == nullptr ? nullptr : body->child(first + 1, asn1_tag::sequence);
    if (recipients == nullptr || encrypted == nullptr) {
        return malformed("no EnvelopedData");
    }
    EnvelopedDataSyntax out;
    out.deviations = der_deviations(*root);
    out.version = small_integer(body->children[0]);
    for (const Asn1Node& node : recipients->children) {
        auto info = recipient(node);
        if (!info) {
            return malformed("a RecipientInfo");
        }
        out.recipients.push_back(*std::move(info));
    }
    if (!read_encrypted_content(*encrypted, out)) {
        return malformed("no encrypted content");
    }
    return out;
}

}  // namespace hwenroll::lab_ca
