#include "agent/config/toml_excerpt.h"

#include <algorithm>
#include <utility>

namespace hwenroll::config {
namespace {

constexpr std::size_t unsure = std::string_view::npos;

bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
    return std::min(text.find_first_not_of(" \t", at), text.size());
}

/// Where the string whose quotes begin at `at` has ended; unsure when it does not end.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string_view three = quote == '"' ? R"(""")" : "'''";
    const bool is_long = text.substr(at, 3) == three;
    for (std::size_t i = at + (is_long ? 3 : 1); i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quote == '"') {
            ++i;
        } else if (!is_long && (c == quote || c == '\n')) {
            return c == quote ? i + 1 : unsure;
        } else if (c == quote && text.substr(i, 3) == three) {
            // Up to two quotes more belong to what is quoted.
            const std::size_t end = std::min(text.find_first_not_of(quote, i), text.size());
            return end - i <= 5 ? end : unsure;
        }
    }
    return unsure;
}

/// May be more than a part of a key or of a value that is no string.
bool is_structure(char c) {
    switch (c) {
        case '"':
        case '\'':
        case '#':
        case '[':
        case ']':
        case '{':
        case '}':
        case '\n':
            return true;
        default:
            return false;
    }
}

/// Where the line after the statement at `at` begins: a header, or a key with a value that may take several lines.
std::size_t end_of_statement(std::string_view text, std::size_t at) {
    int depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (!is_structure(c)) {
            ++at;
            continue;
        }
        if (c == '"' || c == '\'') {
            at = end_of_string(text, at);
            if (at == unsure) {
                return unsure;
            }
            continue;
        }
        if (c == '#') {
            at = std::min(text.find('\n', at), text.size());
            continue;
        }
        depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
        ++at;
        if (depth < 0 || (c == '\n' && depth == 0)) {
            return depth < 0 ? unsure : at;
        }
    }
    return depth == 0 ? at : unsure;
}

/// The first part of the name in the header at `at`; empty when it is no bare key.
std::string_view first_key(std::string_view header) {
    const std::size_t brackets = header.starts_with("[[") ? 2 : 1;
    const std::size_t begin = skip_blanks(header, brackets);
    std::size_t end = begin;
    while (end < header.size() && is_bare(header[end])) {
        ++end;
    }
    return header.substr(begin, end - begin);
}

}  // namespace

std::optional<std::string> excerpt_of(std::string_view text, std::string_view section) {
    std::string excerpt;
    std::size_t lines_left_out = 0;
    bool wanted = true;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = end_of_statement(text, at);
        if (end == unsure) {
            return std::nullopt;
        }
        const std::string_view statement = text.substr(at, end - at);
        const std::string_view begun = statement.substr(skip_blanks(statement, 0));
        if (begun.starts_with('[')) {
            const std::string_view key = first_key(begun);
            if (key.empty()) {
                return std::nullopt;
            }
            wanted = key == section;
        }
        if (wanted) {
            excerpt.append(std::exchange(lines_left_out, 0), '\n') += statement;
        } else {
            lines_left_out += static_cast<std::size_t>(std::ranges::count(statement, '\n'));
        }
        at = end;
    }
    return excerpt;
}

}  // namespace hwenroll::config
