#include "transport/scep/operation_url.h"

#include <cctype>

namespace hwenroll::scep {
namespace {

/// RFC 3986 §2.1: everything but the unreserved characters of §2.3 as %XX.
std::string percent_encoded(std::string_view text) {
    constexpr std::string_view unreserved_marks = "-._~";
    std::string out;
    out.reserve(text.size() * 3);
    for (const char c : text) {
        const auto octet = static_cast<std::uint8_t>(c);
        const bool alphanumeric = octet < 0x80 && std::isalnum(octet) != 0;
        if (alphanumeric || unreserved_marks.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += '%' + to_hex(ByteView(&octet, 1));
        }
    }
    return out;
}

/// `base` without its fragment, which is never sent, and ready for a parameter (HTTP-4).
std::string with_query(std::string_view base) {
    std::string url(base.substr(0, base.find('#')));
    if (url.find('?') == std::string::npos) {
        url += '?';
    } else if (!url.ends_with('?') && !url.ends_with('&')) {
        url += '&';
    }
    return url;
}

}  // namespace

std::string operation_url(std::string_view base, Operation operation, std::string_view identifier) {
    std::string url = with_query(base);
    url += "operation=";
    url += to_text(operation);
    if (!identifier.empty()) {
        url += "&message=" + percent_encoded(identifier);
    }
    return url;
}

std::string pki_operation_get_url(std::string_view base, ByteView message) {
    return operation_url(base, Operation::pki_operation, to_base64(message));
}

}  // namespace hwenroll::scep
