#include "transport/scep/string_types.h"

#include <algorithm>
#include <cctype>

#include <openssl/asn1.h>

namespace hwenroll::scep {

bool is_printable_string(std::string_view text) {
    constexpr std::string_view marks = " '()+,-./:=?";
    return std::ranges::all_of(text, [&](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x80 && std::isalnum(octet) != 0) || marks.find(c) != std::string_view::npos;
    });
}

bool is_utf8(std::string_view text) {
    const auto* octets = reinterpret_cast<const unsigned char*>(text.data());
    while (!text.empty()) {
        unsigned long character = 0;
        const int used = UTF8_getc(octets, static_cast<int>(text.size()), &character);
        if (used <= 0) {
            return false;
        }
        octets += used;
        text.remove_prefix(static_cast<std::size_t>(used));
    }
    return true;
}

std::size_t utf8_length(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace hwenroll::scep
