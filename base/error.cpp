#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace hwenroll {
namespace {

constexpr std::array table{
#define HWENROLL_ERROR(identifier, name, exit_code, remedy, meaning, next, explanation) \
    ErrorInfo{ErrorCode::identifier, name, exit_code, Remedy::remedy, meaning, next, explanation},
#include "base/error_table.def"
#undef HWENROLL_ERROR
};

/// A decoded UTF-8 sequence; size 0 when the octets at the front are not valid UTF-8.
struct Utf8 {
    char32_t point = 0;
    std::size_t size = 0;
};

Utf8 decode_utf8(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = octet(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
        return {};
    }
    char32_t point = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((octet(i) & 0xC0U) != 0x80U) {
            return {};
        }
        point = (point << 6U) | (octet(i) & 0x3FU);
    }
    constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (point < least[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
        return {};
    }
    return {point, size};
}

bool steers_terminal(char32_t point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x061C || point == 0x200E || point == 0x200F ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

/// Octets at the front that are printable ASCII.
std::size_t plain_size(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::find_if(text, [](char c) { return c < ' ' || c > '~'; }) -
                                    text.begin());
}

}  // namespace

const ErrorInfo& error_info(ErrorCode code) {
    return table.at(static_cast<std::size_t>(code));
}

std::span<const ErrorInfo> error_table() {
    return table;
}

Error::Error(ErrorCode code, std::string what, std::string why, std::string next)
    : code_(code), what_(std::move(what)), why_(std::move(why)), next_(std::move(next)) {}

std::string_view Error::next() const {
    return next_.empty() ? info().next : std::string_view(next_);
}

Error Error::about(std::string subject) && {
    if (subject_.empty()) {
        subject_ = std::move(subject);
    }
    return std::move(*this);
}

Error Error::retry_after(std::optional<std::chrono::seconds> wait) && {
    retry_after_ = wait;
    return std::move(*this);
}

std::string Error::line() const {
    std::string text(info().name);
    if (!subject_.empty()) {
        text += ' ' + printable(subject_);
        text += ':';
    }
    text += ' ' + printable(what_);
    if (!why_.empty()) {
        text += fmt::format(" ({})", printable(why_));
    }
    return text + "; " + printable(next());
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        // Nearly all of it, in nearly every text.
        if (const std::size_t plain = std::min(plain_size(text), limit - out.size()); plain > 0) {
            out += text.substr(0, plain);
            text.remove_prefix(plain);
            continue;
        }
        const Utf8 next = decode_utf8(text);
        const std::size_t size = next.size == 0 ? 1 : next.size;
        std::string piece(text.substr(0, size));
        if (next.size == 0) {
            piece = fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        } else if (steers_terminal(next.point)) {
            piece = next.point < 0x100 ? fmt::format("\\x{:02x}", static_cast<std::uint32_t>(next.point))
                                       : fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(next.point));
        }
        if (out.size() + piece.size() > limit) {
            return out + "…";
        }
        out += piece;
        text.remove_prefix(size);
    }
    return out;
}

}  // namespace hwenroll
