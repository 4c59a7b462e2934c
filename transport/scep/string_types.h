// Character sets of ASN.1 strings (X.680 §41).
#pragma once

#include <string_view>

namespace hwenroll::scep {

/// Only characters of PrintableString: letters, digits, blank and ' ( ) + , - . / : = ?
bool is_printable_string(std::string_view text);

/// Well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

/// Number of characters in well-formed UTF-8.
std::size_t utf8_length(std::string_view text);

}  // namespace hwenroll::scep
