#include "tests/lint/source_tree.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include <fmt/format.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {
namespace {

bool is_skipped_folder(const std::string& name) {
    return name.starts_with("build") || name == ".git" || name == ".cache";
}

/// Walks over C++ text and blanks what is not code.
class Blanker {
 public:
    explicit Blanker(std::string_view text) : text_(text) {}

    std::string run() {
        while (at_ < text_.size()) {
            step();
        }
        return std::move(out_);
    }

 private:
    void step() {
        if (text_.substr(at_).starts_with("//")) {
            blank_up_to(text_.find('\n', at_));
        } else if (text_.substr(at_).starts_with("/*")) {
            blank_past(text_.find("*/", at_ + 2), 2);
        } else if (text_.substr(at_).starts_with("R\"") && !continues_a_word()) {
            raw_string();
        } else if (text_[at_] == '"' || (text_[at_] == '\'' && !separates_digits())) {
            literal(text_[at_]);
        } else {
            out_ += text_[at_++];
        }
    }

    void blank_up_to(std::size_t end) {
        for (end = std::min(end, text_.size()); at_ < end; ++at_) {
            out_ += text_[at_] == '\n' ? '\n' : ' ';
        }
    }

    void blank_past(std::size_t found, std::size_t length) {
        blank_up_to(found == std::string_view::npos ? found : found + length);
    }

    void raw_string() {
        const std::size_t open = text_.find('(', at_);
        if (open == std::string_view::npos) {
            return blank_up_to(open);
        }
        const std::string close = ")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"";
        blank_past(text_.find(close, open), close.size());
    }

    void literal(char quote) {
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
            end += text_[end] == '\\' ? 2 : 1;
        }
        out_ += quote;
        ++at_;
        blank_up_to(end);
        if (at_ < text_.size() && text_[at_] == quote) {
            out_ += quote;
            ++at_;
        }
    }

    [[nodiscard]] bool continues_a_word() const {
        return at_ > 0 && (std::isalnum(static_cast<unsigned char>(text_[at_ - 1])) != 0 || text_[at_ - 1] == '_');
    }

    /// 1'000: the quote stands inside a token that begins with a digit.
    [[nodiscard]] bool separates_digits() const {
        std::size_t start = at_;
        while (start > 0 &&
               (std::isalnum(static_cast<unsigned char>(text_[start - 1])) != 0 || text_[start - 1] == '\'')) {
            --start;
        }
        return start < at_ && std::isdigit(static_cast<unsigned char>(text_[start])) != 0;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string out_;
};

}  // namespace

std::string to_text(const std::vector<Finding>& findings) {
    std::string text;
    for (const Finding& finding : findings) {
        text += fmt::format("{}:{}: {}\n", finding.path, finding.line, finding.what);
    }
    return text;
}

std::vector<SourceFile> read_tree(const std::filesystem::path& root) {
    std::vector<SourceFile> files;
    for (std::filesystem::recursive_directory_iterator at(root), end; at != end; ++at) {
        if (at->is_directory() && is_skipped_folder(at->path().filename().string())) {
            at.disable_recursion_pending();
        }
        if (!at->is_regular_file()) {
            continue;
        }
        std::string text = test::read_file(at->path());
        if (text.find('\0') == std::string::npos) {
            files.push_back({at->path().lexically_relative(root).generic_string(), std::move(text)});
        }
    }
    std::ranges::sort(files, {}, &SourceFile::path);
    return files;
}

bool is_code(const SourceFile& file) {
    return file.path.ends_with(".cpp") || file.path.ends_with(".h") || file.path.ends_with(".c") ||
           file.path.ends_with(".def");
}

std::string code_only(std::string_view text) {
    return Blanker(text).run();
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in{std::string(text) + separator};
    for (std::string part; std::getline(in, part, separator);) {
        const auto is_blank = [](unsigned char c) { return std::isspace(c) != 0; };
        part.erase(part.begin(), std::find_if_not(part.begin(), part.end(), is_blank));
        part.erase(std::find_if_not(part.rbegin(), part.rend(), is_blank).base(), part.end());
        parts.push_back(part);
    }
    return parts;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::istringstream in{std::string(text)};
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

}  // namespace hwenroll::lint
