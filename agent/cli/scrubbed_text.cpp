#include "agent/cli/scrubbed_text.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace hwenroll::cli {
namespace {

constexpr std::string_view mark = "(left out)";

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

/// Where `wanted`, in lower case, begins in `text` at or after `from`; npos: nowhere.
std::size_t find(std::string_view text, std::string_view wanted, std::size_t from) {
    const auto found = std::search(text.begin() + static_cast<std::ptrdiff_t>(std::min(from, text.size())), text.end(),
                                   wanted.begin(), wanted.end(), [](char a, char b) { return lower(a) == b; });
    return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

bool ends_value(char c) {
    return std::string_view(" \t\"'`;&,<>(){}[]").find(c) != std::string_view::npos;
}

/// Replaces what follows each `key` up to the end of a value.
void cut_values(std::string& line, std::string_view key) {
    for (std::size_t at = find(line, key, 0); at != std::string::npos; at = find(line, key, at)) {
        at += key.size();
        std::size_t end = at;
        while (end < line.size() && !ends_value(line[end])) {
            ++end;
        }
        line.replace(at, end - at, mark);
        at += mark.size();
    }
}

/// RFC 3986 §3.2.1: what stands between `//` and the last `@` before the path.
void cut_user_information(std::string& line) {
    for (std::size_t at = line.find("://"); at != std::string::npos; at = line.find("://", at + 1)) {
        const std::size_t begin = at + 3;
        std::size_t end = begin;
        while (end < line.size() && line[end] != '/' && line[end] != '"' && line[end] != ' ') {
            ++end;
        }
        const std::size_t sign = line.rfind('@', end);
        if (sign != std::string::npos && sign >= begin) {
            line.replace(begin, sign - begin, mark);
        }
    }
}

}  // namespace

std::string scrubbed(std::string_view text) {
    std::string out;
    bool in_block = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string line = printable(text.substr(0, end), end + 4 * end + 16);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (in_block) {
            in_block = line.find("-----END ") == std::string::npos;
            continue;
        }
        if (const std::size_t begin = line.find("-----BEGIN "); begin != std::string::npos) {
            in_block = line.find("-----END ", begin) == std::string::npos;
            line.replace(begin, std::string::npos, mark);
        }
        for (const std::string_view key : {"pin-value=", "pin%2dvalue=", "pin-value%3d", "fixed:"}) {
            cut_values(line, key);
        }
        cut_user_information(line);
        out += line + '\n';
    }
    return out;
}

}  // namespace hwenroll::cli
