#include "tests/lint/requirement_table.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

namespace hwenroll::lint {
namespace {

constexpr std::string_view lab_ca_tests = "tests/lab_ca/";

bool is_document(const std::string& answer) {
    return answer.ends_with(".md");
}

/// A document of docs/ as a link, an id as it is.
std::string shown_answer(const std::string& answer) {
    return is_document(answer) ? fmt::format("[{0}]({0})", answer) : answer;
}

CatalogueRow shown(CatalogueRow row) {
    if (row.due == Due::never) {
        row.note = "not done: " + row.note;
    } else if (row.due == Due::settled) {
        std::string answers;
        for (const std::string& answer : split(row.note, ',')) {
            answers += (answers.empty() ? "" : ", ") + shown_answer(answer);
        }
        row.note = answers;
    }
    return row;
}

std::string part(const std::vector<CatalogueSection>& table, std::string_view party, std::string_view columns) {
    std::string text;
    for (const CatalogueSection& section : table) {
        if (section.party == party) {
            text += fmt::format("\n### {}\n\n{}\n|---|---|---|\n", section.heading, columns);
            for (const CatalogueRow& row : section.rows) {
                text += fmt::format("| {} | {} | {} |\n", row.id, row.title, tests_column(shown(row)));
            }
        }
    }
    return text;
}

CatalogueCount count_of(const std::vector<CatalogueSection>& table, std::string_view party) {
    std::vector<CatalogueSection> sections = table;
    std::erase_if(sections, [&](const CatalogueSection& section) { return section.party != party; });
    return count(sections);
}

std::string summary(const CatalogueCount& counted) {
    return fmt::format("{} requirements: {} with a test, {} not done for the reason given, {} still without a test.\n",
                       counted.rows, counted.tested, counted.never, counted.rows - counted.tested - counted.never);
}

}  // namespace

std::vector<CatalogueSection> requirement_table(std::string_view text, const std::vector<SourceFile>& tests) {
    std::vector<CatalogueSection> table = read_catalogue(text);
    std::vector<SourceFile> of_client = tests;
    std::erase_if(of_client, [](const SourceFile& file) { return file.path.starts_with(lab_ca_tests); });
    const std::vector<NamedTest> client = named_tests(of_client);
    const std::vector<NamedTest> all = named_tests(tests);
    for (CatalogueSection& section : table) {
        if (section.party == client_party) {
            find_tests(section, client);
        } else if (section.party == lab_ca_party) {
            find_tests(section, all);
        } else if (section.party != decision_party) {
            throw std::runtime_error(fmt::format("section {} is of no party: '{}'", section.key, section.party));
        }
    }
    return table;
}

std::vector<std::string> answers_that_lead_nowhere(const std::vector<CatalogueSection>& table,
                                                   const std::vector<SourceFile>& files) {
    std::set<std::string> known;
    for (const CatalogueSection& section : table) {
        for (const CatalogueRow& row : section.rows) {
            known.insert(row.id);
        }
    }
    for (const SourceFile& file : files) {
        known.insert(file.path);
    }
    std::vector<std::string> nowhere;
    for (const CatalogueSection& section : table) {
        for (const CatalogueRow& row : section.rows) {
            for (const std::string& answer : split(row.due == Due::settled ? row.note : "", ',')) {
                if (!answer.empty() && !known.contains(is_document(answer) ? "docs/" + answer : answer)) {
                    nowhere.push_back(fmt::format("{}: {}", row.id, answer));
                }
            }
        }
    }
    return nowhere;
}

std::string render_requirements(const std::vector<CatalogueSection>& table) {
    constexpr std::string_view columns = "| id | requirement | tests |";
    return fmt::format(
               "# Conformance to SCEP\n\n"
               "What RFC 8894, its drafts and the servers in the field ask of a client, and the tests that prove it. "
               "This document\n"
               "is made of `tests/lint/scep_requirements.txt` and of the names of the tests, which bear the ids: run\n"
               "`build/dev/bin/scep_conformance_doc --write .` after a change of either. An id stands in a name "
               "between underscores,\n"
               "with `_` for `-`. A test of the lab CA proves nothing about the client and is not listed for it.\n\n"
               "## The client\n\n{}",
               summary(count_of(table, client_party))) +
           part(table, client_party, columns) +
           fmt::format(
               "\n## The lab CA\n\nWhat [scep-lab-ca](lab-ca.md) does, so that the client can be tried "
               "against it. {}",
               summary(count_of(table, lab_ca_party))) +
           part(table, lab_ca_party, columns) +
           "\n## Decisions\n\nWhere RFC 8894 leaves a question open, and where it is answered.\n" +
           part(table, decision_party, "| id | question | answered by |");
}

}  // namespace hwenroll::lint
