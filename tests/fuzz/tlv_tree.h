// DER as a tree that can be changed and written again with lengths that fit: what a mutator of structure works on.
// Independent of the code under test.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::fuzz {

/// One value. It is either opened, and then made of `members`, or a leaf with `content`.
struct TlvNode {
    Bytes tag;                   ///< identifier octets
    Bytes content;               ///< of a leaf
    std::list<TlvNode> members;  ///< of an opened value
    bool opened = false;         ///< constructed, or a string that holds whole values
    Bytes before_members{};      ///< a BIT STRING's count of unused bits
    bool indefinite = false;     ///< written with end-of-contents octets
};

/// The values that `input` is made of, if it is nothing else, at most 24 deep. Octets and bit strings (and context tags
/// that stand for them) whose content is made of values are opened too.
std::optional<std::list<TlvNode>> tlv_tree(ByteView input);

/// The encoding, with minimal lengths.
Bytes encoding(const std::list<TlvNode>& values);

/// Every node, parents before members. Borrowed: valid until the tree changes.
struct TlvPlace {
    std::list<TlvNode>* siblings;
    std::list<TlvNode>::iterator node;
};
std::vector<TlvPlace> places(std::list<TlvNode>& values);

}  // namespace hwenroll::fuzz
