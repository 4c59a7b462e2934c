#include "agent/cli/text_layout.h"

#include <algorithm>

namespace hwenroll::cli {
namespace {

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Octets of the first `columns` code points.
std::size_t octets_of(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if (!continues_character(text[at]) && columns-- == 0) {
            break;
        }
    }
    return at;
}

}  // namespace

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues_character(c); }));
}

std::string padded(std::string text, std::size_t columns) {
    const std::size_t used = width(text);
    text.append(used < columns ? columns - used : 0, ' ');
    return text;
}

std::string fitted(const std::string& text, std::size_t columns, std::string_view ellipsis) {
    if (width(text) <= columns) {
        return text;
    }
    const std::size_t mark = std::min(width(ellipsis), columns);
    return text.substr(0, octets_of(text, columns - mark)) + std::string(ellipsis.substr(0, octets_of(ellipsis, mark)));
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
    columns = std::max<std::size_t>(columns, 1);
    std::vector<std::string> lines;
    while (width(text) > columns) {
        const std::size_t room = octets_of(text, columns);
        std::size_t end = text.rfind(' ', room);
        const bool blank = end != std::string_view::npos && end != 0;
        end = blank ? end : room;
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end + (blank ? 1 : 0));
    }
    lines.emplace_back(text);
    return lines;
}

}  // namespace hwenroll::cli
