// BER read into a tree (X.690), with what deviates from DER. The lab CA reads clients' messages with this instead of
// libcrypto's CMS, so that it judges them by another reading of the standards than the client wrote them with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hwenroll::lab_ca {

/// Identifier octets without the constructed bit.
namespace asn1_tag {
constexpr std::uint8_t boolean = 0x01;
constexpr std::uint8_t integer = 0x02;
constexpr std::uint8_t octet_string = 0x04;
constexpr std::uint8_t null = 0x05;
constexpr std::uint8_t oid = 0x06;
constexpr std::uint8_t utf8_string = 0x0c;
constexpr std::uint8_t sequence = 0x10;
constexpr std::uint8_t set = 0x11;
constexpr std::uint8_t printable_string = 0x13;
constexpr std::uint8_t ia5_string = 0x16;
constexpr std::uint8_t utc_time = 0x17;
constexpr std::uint8_t generalized_time = 0x18;
constexpr std::uint8_t context_0 = 0x80;
constexpr std::uint8_t context_1 = 0x81;
}  // namespace asn1_tag

/// One element. Its views borrow from the octets that were read.
struct Asn1Node {
    std::uint8_t tag = 0;  ///< one of asn1_tag, or another identifier octet without the constructed bit
    bool constructed = false;
    bool indefinite = false;
    bool minimal_length = true;
    std::size_t offset = 0;          ///< of the identifier octet in what was read
    ByteView whole;                  ///< with identifier, length and end-of-contents
    ByteView content;                ///< without
    std::vector<Asn1Node> children;  ///< of a constructed element

    [[nodiscard]] bool is(std::uint8_t expected) const { return tag == expected; }

    /// Child `index` if it is there and has that tag.
    [[nodiscard]] const Asn1Node* child(std::size_t index, std::uint8_t expected) const;
};

/// Reads one element that fills `octets`: definite and indefinite lengths, at most 32 levels and 20,000 elements.
/// Error code: scep_structure, with the offset.
Result<Asn1Node> read_asn1(ByteView octets);

/// What in the tree is no DER, a line each, at most 8 lines: indefinite or long-form lengths, constructed strings, SETs
/// out of order, integers and booleans in a longer form than needed.
std::vector<std::string> der_deviations(const Asn1Node& root);

/// The octets of a primitive or constructed OCTET STRING (also one whose tag is implicit).
Bytes string_octets(const Asn1Node& string);

/// An INTEGER as its content octets without needless leading octets.
Bytes integer_octets(const Asn1Node& integer);

/// A small non-negative INTEGER.
std::optional<long> small_integer(const Asn1Node& integer);

/// An OBJECT IDENTIFIER in dotted form.
std::optional<std::string> oid_text(const Asn1Node& oid);

/// A constructed element of `identifier` (with the constructed bit) around `content`, in DER.
Bytes wrap_der(std::uint8_t identifier, ByteView content);

}  // namespace hwenroll::lab_ca
