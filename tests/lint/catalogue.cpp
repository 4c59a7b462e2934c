#include "tests/lint/catalogue.h"

#include <algorithm>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "tests/lint/test_names.h"

namespace hwenroll::lint {
namespace {

constexpr std::string_view section_word = "section ";

std::runtime_error unreadable(std::string_view line) {
    return std::runtime_error(fmt::format("no row of a catalogue: '{}'", line));
}

CatalogueSection section_in(std::string_view line) {
    static const std::regex key("[A-Z]+");
    const auto parts = split(line.substr(section_word.size()), '|');
    if (parts.size() < 2 || parts.size() > 3 || !std::regex_match(parts[0], key)) {
        throw unreadable(line);
    }
    return {parts[0], parts[1], parts.size() == 3 ? parts[2] : "", {}};
}

Due due_in(const std::string& word, std::string_view line) {
    static const std::pair<const char*, Due> words[] = {
        {"now", Due::now}, {"later", Due::later}, {"not", Due::never}, {"settled", Due::settled}};
    const auto* found =
        std::find_if(std::begin(words), std::end(words), [&](const auto& w) { return word == w.first; });
    if (found == std::end(words)) {
        throw unreadable(line);
    }
    return found->second;
}

/// An id as what it shares with its neighbours, and its number.
struct NumberedId {
    std::string prefix;
    int number = 0;
};

NumberedId numbered(const std::string& id, std::string_view line) {
    static const std::regex shape("([A-Z]+(?:-[A-Z]+)*-?)([0-9]{1,3})");
    std::smatch parts;
    if (!std::regex_match(id, parts, shape)) {
        throw unreadable(line);
    }
    return {parts[1], std::stoi(parts[2])};
}

bool follows(const CatalogueSection& section, const NumberedId& id, std::string_view line) {
    if (!id.prefix.starts_with(section.key)) {
        return false;
    }
    if (section.rows.empty()) {
        return id.number <= 1;
    }
    const NumberedId before = numbered(section.rows.back().id, line);
    return id.prefix == before.prefix ? id.number == before.number + 1 : id.number <= 1;
}

CatalogueRow row_in(const std::vector<std::string>& parts, std::string_view line) {
    CatalogueRow row{parts[0], due_in(parts[1], line), parts[2], parts.size() == 4 ? parts[3] : "", {}};
    const bool wants_note = row.due == Due::never || row.due == Due::settled;
    if (row.title.empty() || wants_note == row.note.empty()) {
        throw unreadable(line);
    }
    return row;
}

void add_row(std::vector<CatalogueSection>& catalogue, std::string_view line) {
    const auto parts = split(line, '|');
    if (catalogue.empty() || parts.size() < 3 || parts.size() > 4 ||
        !follows(catalogue.back(), numbered(parts[0], line), line)) {
        throw unreadable(line);
    }
    catalogue.back().rows.push_back(row_in(parts, line));
}

/// The ids between those of each range in `name`, each with an underscore behind it.
std::string ids_between(const std::string& name) {
    static const std::regex range("(?:^|_)([A-Z]+(?:_[A-Z]+)*_?)([0-9]{1,3})_to_\\1([0-9]{1,3})(?=_|$)");
    std::string ids;
    for (std::sregex_iterator at(name.begin(), name.end(), range), end; at != end; ++at) {
        for (int number = std::stoi((*at)[2]) + 1; number < std::stoi((*at)[3]); ++number) {
            ids += fmt::format("{}{}_", (*at)[1].str(), number);
        }
    }
    return ids;
}

template <typename Visit>
void each_row(const std::vector<CatalogueSection>& catalogue, const Visit& visit) {
    for (const CatalogueSection& section : catalogue) {
        for (const CatalogueRow& row : section.rows) {
            visit(row);
        }
    }
}

}  // namespace

std::vector<CatalogueSection> read_catalogue(std::string_view text) {
    std::vector<CatalogueSection> catalogue;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with(section_word)) {
            catalogue.push_back(section_in(line));
        } else if (!line.empty() && !line.starts_with('#')) {
            add_row(catalogue, line);
        }
    }
    return catalogue;
}

NamedTest::NamedTest(std::string shown, const std::string& name)
    : shown_(std::move(shown)), words_(fmt::format("_{}_{}", name, ids_between(name))) {}

bool NamedTest::covers(std::string_view id) const {
    std::string word = fmt::format("_{}_", id);
    std::replace(word.begin(), word.end(), '-', '_');
    return words_.find(word) != std::string::npos;
}

std::vector<NamedTest> named_tests(const std::vector<SourceFile>& files) {
    std::vector<NamedTest> tests;
    for (const std::string& test : tests_in(files)) {
        tests.emplace_back(test, test.substr(test.find('.') + 1));
    }
    for (const TestInstance& instance : instances_in(files)) {
        tests.emplace_back(instance.suite + ".*", instance.name);
    }
    return tests;
}

void find_tests(CatalogueSection& section, const std::vector<NamedTest>& tests) {
    for (CatalogueRow& row : section.rows) {
        for (const NamedTest& test : tests) {
            if (test.covers(row.id)) {
                row.tests.insert(test.shown());
            }
        }
    }
}

std::vector<std::string> untested(const std::vector<CatalogueSection>& catalogue) {
    std::vector<std::string> ids;
    each_row(catalogue, [&](const CatalogueRow& row) {
        if (row.due == Due::now && row.tests.empty()) {
            ids.push_back(row.id);
        }
    });
    return ids;
}

std::vector<std::string> tested_all_the_same(const std::vector<CatalogueSection>& catalogue) {
    std::vector<std::string> ids;
    each_row(catalogue, [&](const CatalogueRow& row) {
        if (row.due == Due::never && !row.tests.empty()) {
            ids.push_back(row.id);
        }
    });
    return ids;
}

std::string tests_column(const CatalogueRow& row) {
    if (row.due == Due::never || row.due == Due::settled) {
        return row.note;
    }
    if (row.tests.empty()) {
        return row.due == Due::now ? "**none**" : "not yet";
    }
    std::string text;
    for (const std::string& test : row.tests) {
        text += fmt::format("{}`{}`", text.empty() ? "" : ", ", test);
    }
    return text;
}

CatalogueCount count(const std::vector<CatalogueSection>& catalogue) {
    CatalogueCount counted;
    each_row(catalogue, [&](const CatalogueRow& row) {
        ++counted.rows;
        counted.tested += row.tests.empty() ? 0 : 1;
        counted.never += row.due == Due::never ? 1 : 0;
    });
    return counted;
}

}  // namespace hwenroll::lint
