#include "tests/lab_ca/ber_form.h"

#include <algorithm>

#include "tests/lab_ca/asn1_reader.h"
#include "tests/lab_ca/cms_syntax.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t piece_size = 1000;
constexpr std::uint8_t sequence = 0x30;
constexpr std::uint8_t explicit_0 = 0xa0;
constexpr std::uint8_t primitive_octets = 0x04;
constexpr std::uint8_t constructed_octets = 0x24;

void append(Bytes& out, ByteView octets) {
    out.insert(out.end(), octets.begin(), octets.end());
}

Bytes indefinite(std::uint8_t identifier, ByteView content) {
    Bytes out{identifier, 0x80};
    append(out, content);
    out.insert(out.end(), {0, 0});
    return out;
}

/// `octets` as the pieces of a constructed string whose own tag is `identifier`.
Bytes in_pieces(std::uint8_t identifier, ByteView octets) {
    Bytes pieces;
    for (std::size_t at = 0; at < octets.size(); at += piece_size) {
        append(pieces, wrap_der(primitive_octets, octets.subspan(at, std::min(piece_size, octets.size() - at))));
    }
    return indefinite(identifier, pieces);
}

/// EncapsulatedContentInfo: the content is an OCTET STRING inside [0].
Bytes encapsulated(const Asn1Node& node) {
    Bytes out = to_bytes(node.children[0].whole);
    if (const Asn1Node* outer = node.child(1, asn1_tag::context_0); outer != nullptr && !outer->children.empty()) {
        append(out, indefinite(explicit_0, in_pieces(constructed_octets, string_octets(outer->children[0]))));
    }
    return indefinite(sequence, out);
}

/// EncryptedContentInfo: [0] itself is the OCTET STRING.
Bytes encrypted(const Asn1Node& node) {
    Bytes out;
    for (const Asn1Node& field : node.children) {
        append(out,
               field.is(asn1_tag::context_0) ? in_pieces(explicit_0, string_octets(field)) : to_bytes(field.whole));
    }
    return indefinite(sequence, out);
}

}  // namespace

Result<Bytes> indefinite_form(ByteView content_info) {
    const auto root = read_asn1(content_info);
    if (!root) {
        return fail(root.error());
    }
    const auto type = root->children.empty() ? std::nullopt : oid_text(root->children[0]);
    const Asn1Node* outer = root->child(1, asn1_tag::context_0);
    const Asn1Node* body = outer == nullptr ? nullptr : outer->child(0, asn1_tag::sequence);
    if (!type || body == nullptr || body->children.size() < 3) {
        return fail(ErrorCode::scep_structure, "this is no CMS to be written in BER");
    }
    Bytes fields;
    for (std::size_t i = 0; i < body->children.size(); ++i) {
        const Asn1Node& field = body->children[i];
        const bool is_content = field.is(asn1_tag::sequence) && !field.children.empty();
        if (!is_content) {
            append(fields, field.whole);
        } else {
            append(fields, *type == oid::signed_data ? encapsulated(field) : encrypted(field));
        }
    }
    Bytes info = to_bytes(root->children[0].whole);
    append(info, indefinite(explicit_0, indefinite(sequence, fields)));
    return indefinite(sequence, info);
}

}  // namespace hwenroll::lab_ca
