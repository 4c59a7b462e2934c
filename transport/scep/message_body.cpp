#include "transport/scep/message_body.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

/// Text in some encoding: no NUL, few control characters, and UTF-8 or few octets beyond ASCII.
bool looks_like_text(ByteView body) {
    constexpr std::size_t looked_at = 512;
    const ByteView head = body.first(std::min(body.size(), looked_at));
    const auto size = static_cast<std::ptrdiff_t>(head.size());
    const auto controls = std::ranges::count_if(
        head, [](unsigned char octet) { return (octet < 0x20 && std::isspace(octet) == 0) || octet == 0x7F; });
    const auto beyond_ascii = std::ranges::count_if(head, [](std::uint8_t octet) { return octet >= 0x80; });
    return std::ranges::count(head, 0) == 0 && controls * 20 <= size &&
           (beyond_ascii * 10 <= size * 3 || is_utf8(as_text(body)));
}

bool looks_like_html(std::string_view text) {
    const auto first = std::ranges::find_if(text, [](unsigned char c) { return std::isspace(c) == 0 && c < 0x80; });
    return first != text.end() && *first == '<';
}

/// Names what answered in a CA's place (HTTP-22).
Status check_not_text(ByteView body) {
    constexpr std::size_t shown = 80;
    if (body.empty()) {
        return fail(ErrorCode::ca_not_scep, "the reply is empty");
    }
    if (!looks_like_text(body)) {
        return {};
    }
    const std::string_view text = as_text(body);
    return fail(ErrorCode::ca_not_scep,
                looks_like_html(text) ? "the reply is an HTML page" : "the reply is text instead of a SCEP message",
                fmt::format("it begins '{}'", printable(text, shown)));
}

}  // namespace

Status check_message_body(ByteView body, const ParseLimits& limits) {
    if (body.size() > limits.max_message) {
        return fail(ErrorCode::ca_too_big, "the reply is larger than allowed",
                    fmt::format("{} octets, at most {}", body.size(), limits.max_message));
    }
    return check_not_text(body);
}

}  // namespace hwenroll::scep
