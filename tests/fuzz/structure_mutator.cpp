// A mutator for targets whose input is one octet and DER behind it: it changes the tree of values and writes it again
// with lengths that fit, so that an input gets past the outermost parser. Linked to a target that reads octets, it
// makes the target NAME_tree of it.
#include <algorithm>
#include <random>

#include "tests/fuzz/tlv_tree.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using namespace hwenroll;
using fuzz::TlvNode;
using fuzz::TlvPlace;
using Random = std::minstd_rand;

std::size_t below(Random& random, std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

template <class T>
const T& one_of(Random& random, const std::vector<T>& all) {
    return all[below(random, all.size())];
}

void change_content(TlvNode& node) {
    Bytes content = node.opened ? fuzz::encoding(node.members) : node.content;
    const std::size_t size = content.size();
    content.resize(size + 32);
    content.resize(LLVMFuzzerMutate(content.data(), size, content.size()));
    node.content = std::move(content);
    node.members.clear();
    node.opened = false;
}

void change_tag(TlvNode& node, Random& random) {
    static const std::vector<std::uint8_t> tags = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x24,
                                                   0x30, 0x31, 0x80, 0x81, 0x82, 0x83, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4};
    node.tag = {one_of(random, tags)};
}

/// An OCTET STRING in pieces, as BER allows.
void split(TlvNode& node, Random& random) {
    const Bytes content = node.opened ? fuzz::encoding(node.members) : node.content;
    const std::size_t size = 1 + below(random, content.size() + 1);
    node.members.clear();
    for (std::size_t at = 0; at < content.size(); at += size) {
        const auto begin = content.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = content.begin() + static_cast<std::ptrdiff_t>(std::min(content.size(), at + size));
        node.members.push_back({.tag = {0x04}, .content = Bytes(begin, end), .members = {}});
        if (node.members.size() > 64) {
            break;
        }
    }
    node.opened = true;
    node.before_members.clear();
    node.tag[0] |= 0x20U;
    node.indefinite = below(random, 2) == 0;
}

void change_node(const TlvPlace& place, std::vector<TlvPlace>& all, Random& random) {
    TlvNode& node = *place.node;
    switch (below(random, 10)) {
        case 0:
            place.siblings->erase(place.node);
            return;
        case 1:
            place.siblings->insert(place.node, below(random, 4) == 0 ? 70 : 1, TlvNode(node));
            return;
        case 2:
            std::iter_swap(place.node, place.siblings->begin());
            return;
        case 3: {
            const TlvNode other = *one_of(random, all).node;
            node = other;
            return;
        }
        case 4:
            change_tag(node, random);
            return;
        case 5:
            split(node, random);
            return;
        case 6:
            node = {.tag = {0x30}, .content = {}, .members = {TlvNode(node)}, .opened = true};
            return;
        case 7:
            node.indefinite = !node.indefinite;
            return;
        default:
            change_content(node);
    }
}

std::size_t as_octets(std::uint8_t* data, std::size_t size, std::size_t max_size) {
    return LLVMFuzzerMutate(data, size, max_size);
}

/// `made` behind the first octet, or 0 if it is too long.
std::size_t put_back(std::uint8_t* data, std::size_t max_size, const Bytes& made) {
    if (made.size() + 1 > max_size) {
        return 0;
    }
    std::ranges::copy(made, data + 1);
    return made.size() + 1;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
    Random random(seed);
    auto tree = size > 1 && below(random, 8) != 0 ? fuzz::tlv_tree(ByteView(data + 1, size - 1)) : std::nullopt;
    if (!tree || tree->empty()) {
        return as_octets(data, size, max_size);
    }
    for (std::size_t changes = 1 + below(random, 3); changes > 0; --changes) {
        std::vector<TlvPlace> all = fuzz::places(*tree);
        if (all.empty()) {
            break;
        }
        change_node(one_of(random, all), all, random);
    }
    const std::size_t made = put_back(data, max_size, fuzz::encoding(*tree));
    return made != 0 ? made : as_octets(data, size, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                                 const std::uint8_t* data2, std::size_t size2, std::uint8_t* out,
                                                 std::size_t max_out_size, unsigned int seed) {
    Random random(seed);
    auto tree = size1 > 1 ? fuzz::tlv_tree(ByteView(data1 + 1, size1 - 1)) : std::nullopt;
    auto other = size2 > 1 ? fuzz::tlv_tree(ByteView(data2 + 1, size2 - 1)) : std::nullopt;
    if (!tree || !other || tree->empty() || other->empty() || max_out_size == 0) {
        return 0;
    }
    const std::vector<TlvPlace> places = fuzz::places(*tree);
    const std::vector<TlvPlace> others = fuzz::places(*other);
    *one_of(random, places).node = TlvNode(*one_of(random, others).node);
    out[0] = data1[0];
    return put_back(out, max_out_size, fuzz::encoding(*tree));
}
