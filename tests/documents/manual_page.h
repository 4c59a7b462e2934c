// A manual page of docs/man as something that can be held against the programs and run.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/e2e/recipe_book.h"

namespace hwenroll::test {

/// One `.It` of a list: what it is about, and what is said of it.
struct ManualItem {
    std::string section;            ///< of `.Sh`
    std::string subsection;         ///< of `.Ss`; empty: none
    std::string head;               ///< the words behind `.It`, macros included
    std::vector<std::string> body;  ///< its lines

    /// The words of the head that `macro` marks: of `Ic token purge Ar TOKEN Op Fl -yes` those of `Ar` are TOKEN.
    [[nodiscard]] std::vector<std::string> marked(std::string_view macro) const;

    /// Options of the head as people write them: `--yes`, `-w`.
    [[nodiscard]] std::vector<std::string> options() const;

    /// The body names this option.
    [[nodiscard]] bool tells_of(const std::string& option) const;
};

/// A block that stands in the page as it is to be typed or written to a file.
struct ManualExample {
    std::string kind;  ///< `sh` or `toml`
    std::string name;
};

/// An mdoc(7) page. Each literal block has a comment before it, `.\" example: KIND NAME`; the comments `.\" place:
/// TEXT` name what the tests put something of their own in place of.
class ManualPage {
 public:
    /// Throws std::runtime_error at a block without a name, at one of an unknown kind and at one that does not end.
    explicit ManualPage(std::string_view mdoc);

    /// `hwenroll.1` of docs/man.
    static ManualPage of(const std::string& name);

    [[nodiscard]] const std::vector<ManualItem>& items() const& { return items_; }
    [[nodiscard]] std::vector<ManualItem> items() && { return std::move(items_); }

    /// In the order of the page.
    [[nodiscard]] const std::vector<ManualExample>& examples() const { return examples_; }

    /// Their texts, with what may be put in place of what.
    [[nodiscard]] const RecipeBook& book() const { return book_; }

 private:
    std::vector<ManualItem> items_;
    std::vector<ManualExample> examples_;
    RecipeBook book_;
};

/// Pages of docs/man.
std::vector<std::string> manual_pages();

}  // namespace hwenroll::test
