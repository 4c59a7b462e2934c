#include "tests/documents/manual_page.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

constexpr std::string_view example_mark = ".\\\" example: ";
constexpr std::string_view place_mark = ".\\\" place: ";

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

bool is_macro(const std::string& word) {
    constexpr std::array<std::string_view, 13> macros{"Ic", "Fl", "Ar", "Op", "Oo", "Oc", "Va",
                                                      "Pa", "Li", "Er", "Ev", "Dv", "Em"};
    return std::ranges::find(macros, word) != macros.end();
}

/// The words that `macro` marks in the words of one macro line.
std::vector<std::string> marked_in(const std::string& text, std::string_view macro) {
    std::vector<std::string> found;
    std::string current;
    for (const std::string& word : words_of(text)) {
        if (is_macro(word)) {
            current = word;
        } else if (current == macro && word != "," && word != "." && word != "|") {
            found.push_back(word);
        }
    }
    return found;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
    return text;
}

/// roff's escapes in a literal block.
std::string plain(const std::string& line) {
    return replaced(replaced(replaced(line, "\\&", ""), "\\(dq", "\""), "\\e", "\\");
}

/// Goes through a page line by line.
class Reader {
 public:
    explicit Reader(std::string_view mdoc) : lines_(std::string(mdoc)) {}

    void run() {
        for (std::string line; next(line);) {
            if (line.starts_with(example_mark)) {
                example(line.substr(example_mark.size()));
            } else if (line.starts_with(place_mark)) {
                places_ += fmt::format("| `{}` | |\n", line.substr(place_mark.size()));
            } else if (line.starts_with(".Bd") || line.starts_with(".Dl") || line.starts_with(".D1")) {
                throw std::runtime_error(fmt::format("line {}: a block without a name, which nothing would run", at_));
            } else {
                text(line);
            }
        }
    }

    std::vector<ManualItem> items;
    std::vector<ManualExample> examples;

    /// The examples as the recipes of a Markdown document.
    [[nodiscard]] std::string markdown() const {
        return "## Names in the recipes\n" + places_ + "## Examples\n" + recipes_;
    }

 private:
    bool next(std::string& line) {
        ++at_;
        return static_cast<bool>(std::getline(lines_, line));
    }

    void text(const std::string& line) {
        if (line.starts_with(".Sh ")) {
            section_ = line.substr(4);
            subsection_.clear();
        } else if (line.starts_with(".Ss ")) {
            subsection_ = line.substr(4);
        } else if (line.starts_with(".It ")) {
            items.push_back({section_, subsection_, line.substr(4), {}});
            open_ = true;
        } else if (line.starts_with(".El")) {
            open_ = false;
        } else if (open_) {
            items.back().body.push_back(line);
        }
    }

    void example(const std::string& words) {
        const std::size_t blank = words.find(' ');
        const std::string kind = words.substr(0, blank);
        const std::string name = blank == std::string::npos ? std::string() : words.substr(blank + 1);
        std::string line;
        if ((kind != "sh" && kind != "toml") || name.empty() || !next(line) || !line.starts_with(".Bd -literal")) {
            throw std::runtime_error(fmt::format("line {}: no example of a kind that is known: {}", at_, words));
        }
        recipes_ += fmt::format("<!-- recipe: {} -->\n```{}\n", name, kind);
        while (line != ".Ed") {
            if (!next(line)) {
                throw std::runtime_error(fmt::format("the example '{}' does not end", name));
            }
            recipes_ += line == ".Ed" ? std::string("```\n") : plain(line) + "\n";
        }
        examples.push_back({kind, name});
    }

    std::istringstream lines_;
    std::size_t at_ = 0;
    std::string section_;
    std::string subsection_;
    bool open_ = false;
    std::string places_;
    std::string recipes_;
};

}  // namespace

std::vector<std::string> ManualItem::marked(std::string_view macro) const {
    return marked_in(head, macro);
}

std::vector<std::string> ManualItem::options() const {
    std::vector<std::string> options;
    for (const std::string& word : marked("Fl")) {
        options.push_back("-" + word);
    }
    return options;
}

bool ManualItem::tells_of(const std::string& option) const {
    return std::ranges::any_of(body, [&](const std::string& line) {
        const auto named = line.starts_with('.') ? marked_in(line.substr(1), "Fl") : std::vector<std::string>();
        return std::ranges::find(named, option.substr(1)) != named.end();
    });
}

ManualPage::ManualPage(std::string_view mdoc) : book_("") {
    Reader reader(mdoc);
    reader.run();
    items_ = std::move(reader.items);
    examples_ = std::move(reader.examples);
    book_ = RecipeBook(reader.markdown());
}

ManualPage ManualPage::of(const std::string& name) {
    return ManualPage(read_file(source_file("docs/man/" + name)));
}

std::vector<std::string> manual_pages() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(source_file("docs/man"))) {
        names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace hwenroll::test
