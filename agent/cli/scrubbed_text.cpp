#include "agent/cli/scrubbed_text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

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

constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view end_mark = "-----END ";

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(printable(text.substr(0, end), end + 4 * end + 16));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// What stands at the end of a line: the journal puts time, host and process before it.
std::string_view last_word(std::string_view line) {
    while (line.ends_with(' ')) {
        line.remove_suffix(1);
    }
    const std::size_t blank = line.rfind(' ');
    return blank == std::string_view::npos ? line : line.substr(blank + 1);
}

/// RFC 4648 §4. A digest in hexadecimal is not meant.
bool is_base64(std::string_view word) {
    const auto in_alphabet = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/' || c == '=';
    };
    const auto is_hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
    return !word.empty() && std::ranges::all_of(word, in_alphabet) && !std::ranges::all_of(word, is_hex);
}

/// The last line of a PEM block may be this short.
bool ends_in_groups_of_four(std::string_view line) {
    return is_base64(last_word(line)) && last_word(line).size() % 4 == 0;
}

/// What is taken for a part of a PEM block wherever it stands, once there is a sign of one.
bool ends_in_part_of_key(std::string_view line) {
    constexpr std::size_t long_word = 20;
    return is_base64(last_word(line)) &&
           (last_word(line).size() >= long_word || (line.ends_with('=') && ends_in_groups_of_four(line)));
}

/// The lines of one text, in which PEM blocks may be whole, cut off at either end, mixed with others, or upside down.
class PemCut {
 public:
    explicit PemCut(std::vector<std::string>& lines) : lines_(lines), left_out_(lines.size(), false) {}

    /// The lines that stay.
    std::string text() {
        bool any = false;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (lines_[i].find(begin_mark) != std::string::npos) {
                any = true;
                i = cut_block(i);
            } else if (const std::size_t end = lines_[i].find(end_mark); end != std::string::npos) {
                any = true;
                cut_end(i, end);
            }
        }
        std::string out;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (left_out_[i]) {
                continue;
            }
            if (any && ends_in_part_of_key(lines_[i])) {
                cut_last_word(lines_[i]);
            }
            out += lines_[i] + '\n';
        }
        return out;
    }

 private:
    static void cut_last_word(std::string& line) {
        const std::string_view word = last_word(line);
        line.replace(static_cast<std::size_t>(word.data() - line.data()), std::string::npos, mark);
    }

    /// From a BEGIN to its END, or to the end of the text where neither that nor another BEGIN follows and no END came
    /// before, as in a text that is upside down. Returns the last line that is done with.
    std::size_t cut_block(std::size_t at) {
        const std::size_t begin = lines_[at].find(begin_mark);
        const bool whole = lines_[at].find(end_mark, begin) != std::string::npos;
        lines_[at].replace(begin, std::string::npos, mark);
        if (whole) {
            return at;
        }
        std::size_t last = at + 1;
        while (last < lines_.size() && lines_[last].find(end_mark) == std::string::npos) {
            if (lines_[last].find(begin_mark) != std::string::npos) {
                return at;
            }
            ++last;
        }
        if (last == lines_.size() && end_seen_) {
            return at;
        }
        last = std::min(last, lines_.size() - 1);
        std::fill(left_out_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                  left_out_.begin() + static_cast<std::ptrdiff_t>(last) + 1, true);
        return last;
    }

    /// An END without a BEGIN: what may be the last, short line of the block is beside it.
    void cut_end(std::size_t at, std::size_t end) {
        end_seen_ = true;
        lines_[at].replace(end, std::string::npos, mark);
        for (std::size_t i = at; i > 0 && ends_in_groups_of_four(lines_[i - 1]); --i) {
            cut_last_word(lines_[i - 1]);
        }
        for (std::size_t i = at + 1; i < lines_.size() && ends_in_groups_of_four(lines_[i]); ++i) {
            cut_last_word(lines_[i]);
        }
    }

    std::vector<std::string>& lines_;
    std::vector<bool> left_out_;
    bool end_seen_ = false;
};

}  // namespace

std::string scrubbed(std::string_view text) {
    std::vector<std::string> lines = lines_of(text);
    for (std::string& line : lines) {
        for (const std::string_view key : {"pin-value=", "pin%2dvalue=", "pin-value%3d", "fixed:"}) {
            cut_values(line, key);
        }
        cut_user_information(line);
    }
    return PemCut(lines).text();
}

std::string scrubbed(const std::vector<ReportSection>& sections) {
    std::string text;
    for (const ReportSection& section : sections) {
        text += "==== " + section.name + " ====\n" + scrubbed(section.content) + "\n";
    }
    return text;
}

}  // namespace hwenroll::cli
