#include "tests/fuzz/tlv_tree.h"

namespace hwenroll::fuzz {
namespace {

constexpr unsigned max_depth = 24;
constexpr std::uint8_t constructed_bit = 0x20;

/// Identifier and length octets that were read off.
struct Header {
    Bytes tag;
    std::size_t length = 0;
};

std::optional<Bytes> take_tag(ByteView& rest) {
    std::size_t size = 1;
    if (rest.empty()) {
        return std::nullopt;
    }
    if ((rest[0] & 0x1FU) == 0x1FU) {
        do {
            ++size;
        } while (size <= rest.size() && (rest[size - 1] & 0x80U) != 0);
    }
    if (size > rest.size() || size > 6) {
        return std::nullopt;
    }
    Bytes tag = to_bytes(rest.first(size));
    rest = rest.subspan(size);
    return tag;
}

std::optional<Header> take_header(ByteView& rest) {
    auto tag = take_tag(rest);
    if (!tag || rest.empty()) {
        return std::nullopt;
    }
    std::size_t length = rest[0];
    rest = rest.subspan(1);
    if (length > 0x80) {
        const std::size_t octets = length & 0x7FU;
        if (octets > 3 || octets > rest.size()) {
            return std::nullopt;
        }
        length = 0;
        for (std::size_t i = 0; i < octets; ++i) {
            length = length << 8U | rest[i];
        }
        rest = rest.subspan(octets);
    } else if (length == 0x80) {
        return std::nullopt;
    }
    if (length > rest.size()) {
        return std::nullopt;
    }
    return Header{*std::move(tag), length};
}

std::optional<std::list<TlvNode>> read_values(ByteView rest, unsigned depth);

/// Opens `node` if `content` is made of values: always for what is constructed, by chance for strings.
bool open_node(TlvNode& node, ByteView content, unsigned depth) {
    const bool bit_string = node.tag.size() == 1 && node.tag[0] == 0x03;
    const bool string = bit_string || (node.tag.size() == 1 && (node.tag[0] == 0x04 || (node.tag[0] & 0xE0U) == 0x80));
    const bool constructed = (node.tag[0] & constructed_bit) != 0;
    if (!constructed && (!string || content.size() < 2)) {
        return false;
    }
    const std::size_t skipped = bit_string ? 1 : 0;
    auto members = read_values(content.subspan(skipped), depth + 1);
    if (!members || (members->empty() && !constructed)) {
        return false;
    }
    node.before_members = to_bytes(content.first(skipped));
    node.members = *std::move(members);
    node.opened = true;
    return true;
}

std::optional<std::list<TlvNode>> read_values(ByteView rest, unsigned depth) {
    std::list<TlvNode> values;
    if (depth > max_depth) {
        return std::nullopt;
    }
    while (!rest.empty()) {
        auto header = take_header(rest);
        if (!header) {
            return std::nullopt;
        }
        TlvNode node{.tag = std::move(header->tag), .content = {}, .members = {}};
        const ByteView content = rest.first(header->length);
        if (!open_node(node, content, depth)) {
            node.content = to_bytes(content);
        }
        values.push_back(std::move(node));
        rest = rest.subspan(header->length);
    }
    return values;
}

void append(Bytes& out, ByteView more) {
    out.insert(out.end(), more.begin(), more.end());
}

void append_length(Bytes& out, std::size_t length) {
    if (length < 0x80) {
        out.push_back(static_cast<std::uint8_t>(length));
        return;
    }
    unsigned octets = 1;
    while (length >> (8 * octets) != 0) {
        ++octets;
    }
    out.push_back(static_cast<std::uint8_t>(0x80U | octets));
    while (octets-- > 0) {
        out.push_back(static_cast<std::uint8_t>(length >> (8 * octets)));
    }
}

void append_node(Bytes& out, const TlvNode& node) {
    Bytes content = node.content;
    if (node.opened) {
        content = node.before_members;
        append(content, encoding(node.members));
    }
    append(out, node.tag);
    if (node.indefinite) {
        out.push_back(0x80);
        append(out, content);
        append(out, Bytes{0, 0});
        return;
    }
    append_length(out, content.size());
    append(out, content);
}

void collect(std::list<TlvNode>& values, std::vector<TlvPlace>& out) {
    for (auto node = values.begin(); node != values.end(); ++node) {
        out.push_back({&values, node});
        collect(node->members, out);
    }
}

}  // namespace

std::optional<std::list<TlvNode>> tlv_tree(ByteView input) {
    return read_values(input, 0);
}

Bytes encoding(const std::list<TlvNode>& values) {
    Bytes out;
    for (const TlvNode& node : values) {
        append_node(out, node);
    }
    return out;
}

std::vector<TlvPlace> places(std::list<TlvNode>& values) {
    std::vector<TlvPlace> all;
    collect(values, all);
    return all;
}

}  // namespace hwenroll::fuzz
