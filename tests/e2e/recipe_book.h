// docs/consumers.md as something that can be run.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace hwenroll::test {

/// What a recipe has in place of the names that the document gives to things, e.g. `8443` and another port.
using Places = std::map<std::string, std::string>;

/// Code blocks of a Markdown document, each under the name in the comment before it: `<!-- recipe: NAME -->`. The name
/// of a file's content is the file's path.
class RecipeBook {
 public:
    /// Throws std::runtime_error at a code block without a name, at a second one of the same name and at one that does
    /// not end.
    explicit RecipeBook(std::string_view markdown);

    /// docs/consumers.md.
    static RecipeBook of_consumers();

    /// Names of all blocks.
    [[nodiscard]] std::set<std::string> names() const;

    /// What the first column of the document's table of names has: what the tests put something in place of.
    [[nodiscard]] const std::set<std::string>& places() const { return places_; }

    /// The block `name` with `places`; throws std::out_of_range when there is none. A name in `places` that is no
    /// name of the table is std::runtime_error: readers would not know of it.
    [[nodiscard]] std::string text(const std::string& name, const Places& places) const;

    /// Writes the block whose name is a path to what `places` makes of that path, with its directories. Returns that.
    std::filesystem::path install(const std::string& path, const Places& places, unsigned mode = 0644) const;

 private:
    [[nodiscard]] std::string with(const std::string& text, const Places& places) const;

    std::map<std::string, std::string> blocks_;
    std::set<std::string> places_;
};

}  // namespace hwenroll::test
