// DER, written from the inside out (X.690 §8 to §11).
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace hwenroll::scep::der {

// Identifier octets.
inline constexpr std::uint8_t tag_bit_string = 0x03;
inline constexpr std::uint8_t tag_octet_string = 0x04;
inline constexpr std::uint8_t tag_utf8_string = 0x0C;
inline constexpr std::uint8_t tag_printable_string = 0x13;
inline constexpr std::uint8_t tag_sequence = 0x30;
inline constexpr std::uint8_t tag_set = 0x31;

/// Identifier octet of the constructed, context-specific tag [number]; number below 31.
constexpr std::uint8_t tag_context(unsigned number) {
    return static_cast<std::uint8_t>(0xA0U | number);
}

/// One value with a definite, minimal length.
Bytes value(std::uint8_t tag, ByteView content);

/// A SEQUENCE, or another constructed value under `tag`, of `parts` in their order.
Bytes constructed(std::uint8_t tag, std::initializer_list<ByteView> parts);

/// As constructed(), for parts that hold a secret: no copy is left in memory.
Secret secret(std::uint8_t tag, std::initializer_list<ByteView> parts);

/// A SET OF, or an implicitly tagged one under `tag`, of `parts` in DER order (X.690 §11.6).
Bytes set_of(std::uint8_t tag, std::vector<Bytes> parts);

/// INTEGER of 0 to 127.
Bytes small_integer(std::uint8_t number);

/// BIT STRING of whole octets.
Bytes bit_string(ByteView octets);

/// OBJECT IDENTIFIER from its dotted form, which must be valid.
Bytes object_identifier(std::string_view dotted);

/// AlgorithmIdentifier with NULL parameters.
Bytes algorithm_with_null(std::string_view dotted);

/// AlgorithmIdentifier without parameters.
Bytes algorithm(std::string_view dotted);

}  // namespace hwenroll::scep::der
