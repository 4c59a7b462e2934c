#include "transport/scep/message_text.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::scep {
namespace {

constexpr std::string_view armour = "-----BEGIN ";
constexpr std::string_view dashes = "-----";
constexpr std::string_view parameter = "message=";
constexpr std::string_view blanks = " \t\r\n";

/// Shorter texts that happen to be in base64's alphabet are words.
constexpr std::size_t shortest_base64 = 64;

tl::unexpected<Error> malformed(std::size_t offset, std::string_view why) {
    return fail(ErrorCode::scep_structure, "the text cannot be decoded", fmt::format("octet {}: {}", offset, why));
}

bool is_blank(char c) {
    return blanks.find(c) != std::string_view::npos;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// A character of base64 or base64url in base64's alphabet; 0 when it is none.
char base64_character(char c) {
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
        c == '=') {
        return c;
    }
    return c == '-' ? '+' : c == '_' ? '/' : '\0';
}

/// What stands at `at` in `text`, percent-encoded or not, and how long it is there.
std::pair<char, std::size_t> character_at(std::string_view text, std::size_t at) {
    if (text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0) {
        return {static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2])), 3};
    }
    return {text[at], 1};
}

/// `text` stands at `offset` of the body.
Result<Bytes> decoded(std::string_view text, std::size_t offset) {
    std::string base64;
    for (std::size_t at = 0; at < text.size();) {
        const auto [c, length] = character_at(text, at);
        const char plain = base64_character(c);
        if (plain != '\0') {
            base64 += plain;
        } else if (!is_blank(c)) {
            return malformed(offset + at, "a character that is not of base64");
        }
        at += length;
    }
    if (base64.find('=') == std::string::npos) {
        base64.append((4 - base64.size() % 4) % 4, '=');
    }
    auto octets = from_base64(base64);
    if (!octets || octets->empty()) {
        return malformed(offset + text.size(), "the base64 ends here with a wrong length or misplaced padding");
    }
    return octets;
}

Result<std::optional<TextMessage>> message_of(std::string_view text, std::size_t offset, std::string form) {
    auto octets = decoded(text, offset);
    if (!octets) {
        return fail(octets.error());
    }
    return TextMessage{*std::move(octets), std::move(form)};
}

Result<std::optional<TextMessage>> read_pem(std::string_view text, std::size_t begin) {
    const std::size_t label = begin + armour.size();
    const std::size_t label_end = text.find(dashes, label);
    const std::size_t content = label_end == std::string_view::npos ? label_end : label_end + dashes.size();
    const std::size_t end = content == std::string_view::npos ? content : text.find("-----END ", content);
    if (end == std::string_view::npos) {
        return malformed(text.size(), "the PEM block does not end");
    }
    return message_of(text.substr(content, end - content), content,
                      fmt::format("PEM ({})", printable(text.substr(label, label_end - label), 40)));
}

bool is_base64(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto [c, length] = character_at(text, at);
        if (base64_character(c) == '\0' && !is_blank(c)) {
            return false;
        }
        at += length;
    }
    return text.size() >= shortest_base64;
}

}  // namespace

Result<std::optional<TextMessage>> read_text_message(ByteView body) {
    const std::string_view text = as_text(body);
    if (const std::size_t begin = text.find(armour); begin != std::string_view::npos) {
        return read_pem(text, begin);
    }
    if (const std::size_t name = text.find(parameter); name != std::string_view::npos) {
        const std::size_t begin = name + parameter.size();
        const std::size_t end = std::min(text.find_first_of("& \r\n", begin), text.size());
        return message_of(text.substr(begin, end - begin), begin, "the message of a GET");
    }
    // Every message is a SEQUENCE, and a SEQUENCE in base64 begins with M.
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin != std::string_view::npos && text[begin] == 'M' && is_base64(text)) {
        return message_of(text, 0, "base64");
    }
    return std::optional<TextMessage>();
}

}  // namespace hwenroll::scep
