#include "tests/lint/fault_table.h"

#include <fmt/format.h>

namespace hwenroll::lint {

std::vector<CatalogueSection> fault_table(std::string_view text, const std::vector<SourceFile>& tests) {
    std::vector<CatalogueSection> table = read_catalogue(text);
    const std::vector<NamedTest> named = named_tests(tests);
    for (CatalogueSection& section : table) {
        find_tests(section, named);
    }
    return table;
}

std::string render_faults(const std::vector<CatalogueSection>& table) {
    const CatalogueCount counted = count(table);
    std::string text = fmt::format(
        "# Faults\n\n"
        "What hwenroll must survive, and the tests that prove it. This document is made of `tests/lint/faults.txt` "
        "and of\n"
        "the names of the tests, which bear the ids: run `build/dev/bin/fault_table_doc --write .` after a change of "
        "either.\n\n"
        "{} faults, {} with a test.\n",
        counted.rows, counted.tested);
    for (const CatalogueSection& section : table) {
        text += fmt::format("\n## {}\n\n| id | fault | tests |\n|---|---|---|\n", section.heading);
        for (const CatalogueRow& fault : section.rows) {
            text += fmt::format("| {} | {} | {} |\n", fault.id, fault.title, tests_column(fault));
        }
    }
    return text;
}

}  // namespace hwenroll::lint
