#include "tests/lint/fault_table.h"

#include <map>
#include <regex>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/lint/test_names.h"

namespace hwenroll::lint {
namespace {

constexpr std::string_view section_word = "section ";

std::runtime_error unreadable(std::string_view line) {
    return std::runtime_error(fmt::format("no row of the fault table: '{}'", line));
}

FaultSection section_in(std::string_view line) {
    const auto parts = split(line.substr(section_word.size()), '|');
    if (parts.size() != 2 || parts[0].size() != 1) {
        throw unreadable(line);
    }
    return {parts[0], parts[1], {}};
}

void add_row(std::vector<FaultSection>& table, std::string_view line) {
    const auto parts = split(line, '|');
    if (table.empty() || parts.size() != 3 || parts[2].empty() || (parts[1] != "now" && parts[1] != "later")) {
        throw unreadable(line);
    }
    FaultSection& section = table.back();
    if (parts[0] != fmt::format("{}{}", section.letter, section.faults.size() + 1)) {
        throw unreadable(line);
    }
    section.faults.push_back({parts[0], parts[1] == "now", parts[2], {}});
}

/// The words between underscores; `X1_to_X3` is three of them.
std::vector<std::string> words_in(const std::string& name) {
    std::vector<std::string> words = split(name, '_');
    for (std::size_t i = 1; i + 1 < words.size(); ++i) {
        const std::string first = words[i - 1];
        const std::string last = words[i + 1];
        static const std::regex id("[A-Z][0-9]{1,2}");
        if (words[i] != "to" || !std::regex_match(first, id) || !std::regex_match(last, id) || first[0] != last[0]) {
            continue;
        }
        for (int number = std::stoi(first.substr(1)) + 1; number < std::stoi(last.substr(1)); ++number) {
            words.push_back(fmt::format("{}{}", first[0], number));
        }
    }
    return words;
}

/// What stands between underscores, to the tests that have it there.
std::map<std::string, std::set<std::string>> tests_by_word(const std::vector<SourceFile>& files) {
    std::map<std::string, std::set<std::string>> found;
    for (const std::string& test : tests_in(files)) {
        for (const std::string& word : words_in(test.substr(test.find('.') + 1))) {
            found[word].insert(test);
        }
    }
    for (const TestInstance& instance : instances_in(files)) {
        for (const std::string& word : words_in(instance.name)) {
            found[word].insert(instance.suite + ".*");
        }
    }
    return found;
}

std::string tests_of(const Fault& fault) {
    if (fault.tests.empty()) {
        return fault.due ? "**none**" : "not yet";
    }
    std::string text;
    for (const std::string& test : fault.tests) {
        text += fmt::format("{}`{}`", text.empty() ? "" : ", ", test);
    }
    return text;
}

}  // namespace

std::vector<FaultSection> fault_table(std::string_view text, const std::vector<SourceFile>& tests) {
    std::vector<FaultSection> table;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with(section_word)) {
            table.push_back(section_in(line));
        } else if (!line.empty() && !line.starts_with('#')) {
            add_row(table, line);
        }
    }
    const auto found = tests_by_word(tests);
    for (FaultSection& section : table) {
        for (Fault& fault : section.faults) {
            if (const auto named = found.find(fault.id); named != found.end()) {
                fault.tests = named->second;
            }
        }
    }
    return table;
}

std::vector<std::string> untested(const std::vector<FaultSection>& table) {
    std::vector<std::string> ids;
    for (const FaultSection& section : table) {
        for (const Fault& fault : section.faults) {
            if (fault.due && fault.tests.empty()) {
                ids.push_back(fault.id);
            }
        }
    }
    return ids;
}

std::string render(const std::vector<FaultSection>& table) {
    std::size_t rows = 0;
    std::size_t tested = 0;
    std::string text;
    for (const FaultSection& section : table) {
        text += fmt::format("\n## {}\n\n| id | fault | tests |\n|---|---|---|\n", section.heading);
        for (const Fault& fault : section.faults) {
            text += fmt::format("| {} | {} | {} |\n", fault.id, fault.title, tests_of(fault));
            ++rows;
            tested += fault.tests.empty() ? 0 : 1;
        }
    }
    return fmt::format(
               "# Faults\n\n"
               "What hwenroll must survive, and the tests that prove it. This document is made of "
               "`tests/lint/faults.txt` "
               "and of\n"
               "the names of the tests, which bear the ids: run `build/dev/bin/fault_table_doc --write .` after a "
               "change of "
               "either.\n\n"
               "{} faults, {} with a test.\n",
               rows, tested) +
           text;
}

}  // namespace hwenroll::lint
