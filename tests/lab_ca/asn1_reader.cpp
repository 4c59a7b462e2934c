#include "tests/lab_ca/asn1_reader.h"

#include <algorithm>

#include <fmt/format.h>

namespace hwenroll::lab_ca {
namespace {

constexpr int max_depth = 32;
constexpr std::size_t max_nodes = 20000;
constexpr std::size_t max_deviations = 8;
constexpr std::uint8_t constructed_bit = 0x20;

class Reader {
 public:
    explicit Reader(ByteView octets) : octets_(octets) {}

    /// Reads the element at `at`, which must end at or before `limit`.
    Result<Asn1Node> element(std::size_t at, std::size_t limit, int depth) {
        if (depth > max_depth || ++nodes_ > max_nodes) {
            return broken(at, depth > max_depth ? "nested too deeply" : "too many elements");
        }
        Asn1Node node;
        node.offset = at;
        if (limit - at < 2) {
            return broken(at, "ends early");
        }
        const std::uint8_t identifier = octets_[at];
        if ((identifier & 0x1fU) == 0x1fU) {
            return broken(at, "a tag number that no SCEP message has");
        }
        node.tag = identifier & static_cast<std::uint8_t>(~constructed_bit);
        node.constructed = (identifier & constructed_bit) != 0;
        std::size_t content = at + 1;
        auto length = read_length(content, limit, node);
        if (!length) {
            return fail(length.error());
        }
        return node.constructed ? with_children(std::move(node), content, *length, limit, depth)
                                : primitive(std::move(node), content, *length);
    }

    static tl::unexpected<Error> broken(std::size_t at, std::string_view why) {
        return fail(ErrorCode::scep_structure, "malformed ASN.1", fmt::format("{} at offset {}", why, at));
    }

 private:
    /// Moves `at` behind the length octets. For the indefinite form the length is what is left up to `limit`.
    Result<std::size_t> read_length(std::size_t& at, std::size_t limit, Asn1Node& node) const {
        const std::uint8_t first = octets_[at++];
        std::size_t length = first;
        if (first == 0x80) {
            if (!node.constructed) {
                return broken(at, "an indefinite length in a primitive element");
            }
            node.indefinite = true;
            return limit - at;
        }
        if (first > 0x80) {
            const std::size_t count = first & 0x7fU;
            if (count > 4 || limit - at < count) {
                return broken(at, "a length that cannot be");
            }
            length = 0;
            for (std::size_t i = 0; i < count; ++i) {
                length = length << 8U | octets_[at++];
            }
            node.minimal_length = length >= 0x80 && length >> (8 * (count - 1)) != 0;
        }
        if (length > limit - at) {
            return broken(at, "a length that goes beyond the end");
        }
        return length;
    }

    [[nodiscard]] Asn1Node primitive(Asn1Node node, std::size_t at, std::size_t length) const {
        node.content = octets_.subspan(at, length);
        node.whole = octets_.subspan(node.offset, at + length - node.offset);
        return node;
    }

    Result<Asn1Node> with_children(Asn1Node node, std::size_t at, std::size_t length, std::size_t limit, int depth) {
        const std::size_t begin = at;
        const std::size_t end = node.indefinite ? limit : at + length;
        std::size_t content_end = end;
        while (at < end) {
            if (node.indefinite && end - at >= 2 && octets_[at] == 0 && octets_[at + 1] == 0) {
                content_end = at;
                at += 2;
                break;
            }
            auto child = element(at, end, depth + 1);
            if (!child) {
                return child;
            }
            at += child->whole.size();
            node.children.push_back(*std::move(child));
        }
        if (node.indefinite && content_end == end) {
            return broken(begin, "an indefinite length without an end");
        }
        node.content = octets_.subspan(begin, content_end - begin);
        node.whole = octets_.subspan(node.offset, at - node.offset);
        return node;
    }

    ByteView octets_;
    std::size_t nodes_ = 0;
};

bool is_universal_string(const Asn1Node& node) {
    return node.tag < 0x40 && !node.is(asn1_tag::sequence) && !node.is(asn1_tag::set);
}

bool set_in_order(const Asn1Node& set) {
    return std::is_sorted(set.children.begin(), set.children.end(), [](const Asn1Node& a, const Asn1Node& b) {
        return std::lexicographical_compare(a.whole.begin(), a.whole.end(), b.whole.begin(), b.whole.end());
    });
}

bool padded_integer(const Asn1Node& node) {
    return node.content.size() >= 2 &&
           ((node.content[0] == 0 && node.content[1] < 0x80) || (node.content[0] == 0xff && node.content[1] >= 0x80));
}

std::string_view deviation_of(const Asn1Node& node) {
    if (node.indefinite) {
        return "indefinite length";
    }
    if (!node.minimal_length) {
        return "length not in its shortest form";
    }
    if (node.constructed && is_universal_string(node)) {
        return "constructed string";
    }
    if (node.is(asn1_tag::set) && !set_in_order(node)) {
        return "SET OF not in ascending order";
    }
    if (node.is(asn1_tag::integer) && (node.content.empty() || padded_integer(node))) {
        return "INTEGER not in its shortest form";
    }
    if (node.is(asn1_tag::boolean) && (node.content.size() != 1 || (node.content[0] != 0 && node.content[0] != 0xff))) {
        return "BOOLEAN that is neither 00 nor FF";
    }
    return {};
}

void collect_deviations(const Asn1Node& node, std::vector<std::string>& out) {
    if (out.size() >= max_deviations) {
        return;
    }
    if (const std::string_view text = deviation_of(node); !text.empty()) {
        out.push_back(fmt::format("{} at offset {}", text, node.offset));
    }
    for (const Asn1Node& child : node.children) {
        collect_deviations(child, out);
    }
}

void append_string(const Asn1Node& node, Bytes& out) {
    if (!node.constructed) {
        out.insert(out.end(), node.content.begin(), node.content.end());
    }
    for (const Asn1Node& child : node.children) {
        append_string(child, out);
    }
}

}  // namespace

const Asn1Node* Asn1Node::child(std::size_t index, std::uint8_t expected) const {
    return index < children.size() && children[index].is(expected) ? &children[index] : nullptr;
}

Result<Asn1Node> read_asn1(ByteView octets) {
    auto root = Reader(octets).element(0, octets.size(), 0);
    if (root && root->whole.size() != octets.size()) {
        return Reader::broken(root->whole.size(), "further data behind the end");
    }
    return root;
}

std::vector<std::string> der_deviations(const Asn1Node& root) {
    std::vector<std::string> out;
    collect_deviations(root, out);
    return out;
}

Bytes string_octets(const Asn1Node& string) {
    Bytes out;
    append_string(string, out);
    return out;
}

Bytes integer_octets(const Asn1Node& integer) {
    Bytes octets = to_bytes(integer.content);
    while (octets.size() > 1 && octets[0] == 0) {
        octets.erase(octets.begin());
    }
    return octets;
}

std::optional<long> small_integer(const Asn1Node& integer) {
    if (!integer.is(asn1_tag::integer) || integer.content.empty() || integer.content.size() > 4 ||
        integer.content[0] >= 0x80) {
        return std::nullopt;
    }
    long value = 0;
    for (const std::uint8_t octet : integer.content) {
        value = value << 8U | octet;
    }
    return value;
}

std::optional<std::string> oid_text(const Asn1Node& oid) {
    if (!oid.is(asn1_tag::oid) || oid.constructed || oid.content.empty() || oid.content.size() > 64 ||
        oid.content.back() >= 0x80) {
        return std::nullopt;
    }
    std::string text;
    std::uint64_t arc = 0;
    for (const std::uint8_t octet : oid.content) {
        if (arc > UINT64_MAX >> 7U || (arc == 0 && octet == 0x80)) {
            return std::nullopt;
        }
        arc = arc << 7U | (octet & 0x7fU);
        if (octet >= 0x80) {
            continue;
        }
        if (text.empty()) {
            const std::uint64_t root = std::min<std::uint64_t>(arc / 40, 2);
            text = fmt::format("{}.{}", root, arc - 40 * root);
        } else {
            text += fmt::format(".{}", arc);
        }
        arc = 0;
    }
    return text;
}

Bytes wrap_der(std::uint8_t identifier, ByteView content) {
    Bytes out{identifier};
    if (content.size() < 0x80) {
        out.push_back(static_cast<std::uint8_t>(content.size()));
    } else {
        Bytes length;
        for (std::size_t left = content.size(); left != 0; left >>= 8U) {
            length.insert(length.begin(), static_cast<std::uint8_t>(left));
        }
        out.push_back(static_cast<std::uint8_t>(0x80U | length.size()));
        out.insert(out.end(), length.begin(), length.end());
    }
    out.insert(out.end(), content.begin(), content.end());
    return out;
}

}  // namespace hwenroll::lab_ca
