#include "tests/e2e/recipe_book.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

constexpr std::string_view mark = "<!-- recipe: ";
constexpr std::string_view mark_end = " -->";
constexpr std::string_view fence = "```";
constexpr std::string_view names_heading = "## Names in the recipes";

/// The lines up to the end of the code block that has just begun.
std::string block_from(std::istream& lines, const std::string& name) {
    std::string block;
    for (std::string line; std::getline(lines, line);) {
        if (line == fence) {
            return block;
        }
        block += line + "\n";
    }
    throw std::runtime_error("the recipe '" + name + "' does not end");
}

/// "`NAME`" in the first column of a table's row; empty in any other line.
std::string first_column(const std::string& row) {
    const std::size_t end = row.find("` |");
    return row.starts_with("| `") && end != std::string::npos ? row.substr(3, end - 3) : std::string();
}

}  // namespace

RecipeBook::RecipeBook(std::string_view markdown) {
    std::istringstream lines{std::string(markdown)};
    std::string name;
    std::string heading;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(mark)) {
            name = line.substr(mark.size(), line.size() - mark.size() - mark_end.size());
        } else if (line.starts_with(fence)) {
            if (name.empty()) {
                throw std::runtime_error("a code block without a name, which nothing would run: " + line);
            }
            if (!blocks_.emplace(name, block_from(lines, name)).second) {
                throw std::runtime_error("two recipes '" + name + "'");
            }
            name.clear();
        } else if (line.starts_with("## ")) {
            heading = line;
        } else if (heading == names_heading && !first_column(line).empty()) {
            places_.insert(first_column(line));
        }
    }
}

RecipeBook RecipeBook::of_consumers() {
    return RecipeBook(read_file(source_file("docs/consumers.md")));
}

std::set<std::string> RecipeBook::names() const {
    std::set<std::string> names;
    for (const auto& [name, block] : blocks_) {
        names.insert(name);
    }
    return names;
}

std::string RecipeBook::text(const std::string& name, const Places& places) const {
    const auto found = blocks_.find(name);
    if (found == blocks_.end()) {
        throw std::out_of_range("no recipe '" + name + "'");
    }
    return with(found->second, places);
}

std::filesystem::path RecipeBook::install(const std::string& path, const Places& places, unsigned mode) const {
    std::filesystem::path target = with(path, places);
    std::filesystem::create_directories(target.parent_path());
    write_file(target, text(path, places), mode);
    return target;
}

/// In one pass, so that nothing is put in place of what stands there already.
std::string RecipeBook::with(const std::string& text, const Places& places) const {
    for (const auto& [name, place] : places) {
        if (!places_.contains(name)) {
            throw std::runtime_error("the document's table does not name " + name);
        }
    }
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const auto here = [&](const auto& one) { return text.compare(at, one.first.size(), one.first) == 0; };
        const auto found = std::find_if(places.begin(), places.end(), here);
        if (found == places.end()) {
            result += text[at++];
        } else {
            result += found->second;
            at += found->first.size();
        }
    }
    return result;
}

}  // namespace hwenroll::test
