// Octet strings, as every protocol here speaks them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hwenroll {

/// An owned octet string.
using Bytes = std::vector<std::uint8_t>;

/// A borrowed octet string; valid as long as what it was made from.
using ByteView = std::span<const std::uint8_t>;

/// The octets of `text`, borrowed.
ByteView as_bytes(std::string_view text);

/// The octets of `octets` as characters, borrowed.
std::string_view as_text(ByteView octets);

/// A copy of `octets`.
Bytes to_bytes(ByteView octets);

/// Equality of contents, in time that depends on the contents. Not for secrets.
bool equal(ByteView a, ByteView b);

/// Upper-case hexadecimal, two digits an octet, with `separator` between octets unless it is '\0'.
std::string to_hex(ByteView octets, char separator = '\0');

/// Reads hexadecimal in either case; colons and blanks between octets are skipped. Error code: config_value.
Result<Bytes> from_hex(std::string_view text);

/// Standard base64 (RFC 4648 §4) with padding and without line breaks.
std::string to_base64(ByteView octets);

/// Reads standard base64; line breaks and blanks are skipped. Error code: scep_structure.
Result<Bytes> from_base64(std::string_view text);

/// SHA-256 (FIPS 180-4), 32 octets.
Bytes sha256(ByteView octets);

}  // namespace hwenroll
