// The threat model of SECURITY.md, held against the tests that it names.
#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lint/source_tree.h"
#include "tests/lint/test_names.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// id, boundary, actors, threat, control, tests.
constexpr std::size_t columns_of_a_threat = 6;
constexpr std::size_t actors_column = 2;
constexpr std::size_t control_column = 4;
constexpr int actors_of_the_model = 9;
constexpr std::string_view out_of_scope = "out of scope: ";

const std::filesystem::path& root() {
    static const std::filesystem::path path = HWENROLL_SOURCE_ROOT;
    return path;
}

std::string without_blanks_around(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? std::string() : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

/// The cells of the rows whose first one matches `id`, in the order of the document.
std::vector<std::vector<std::string>> rows_of(std::string_view markdown, const std::string& id) {
    const std::regex expression(id);
    std::vector<std::vector<std::string>> rows;
    for (const std::string_view line : lines_of(markdown)) {
        auto cells = split(line, '|');
        if (!line.starts_with('|') || cells.size() < 3) {
            continue;
        }
        cells = {cells.begin() + 1, cells.end() - 1};
        std::ranges::transform(cells, cells.begin(), without_blanks_around);
        if (std::regex_match(cells[0], expression)) {
            rows.push_back(cells);
        }
    }
    return rows;
}

/// `A1, A3` and `A1 to A9`.
std::set<int> actors_in(const std::string& cell) {
    static const std::regex range(R"(A(\d) to A(\d))");
    static const std::regex one(R"(A(\d))");
    std::set<int> actors;
    if (std::smatch found; std::regex_match(cell, found, range)) {
        for (int actor = std::stoi(found[1]); actor <= std::stoi(found[2]); ++actor) {
            actors.insert(actor);
        }
        return actors;
    }
    for (std::sregex_iterator at(cell.begin(), cell.end(), one), end; at != end; ++at) {
        actors.insert(std::stoi((*at)[1]));
    }
    return actors;
}

/// What is wrong with a threat, beside tests that are missing.
std::vector<std::string> faults_of(const std::vector<std::string>& row) {
    std::vector<std::string> faults;
    if (row.size() != columns_of_a_threat) {
        return {fmt::format("{}: {} cells", row[0], row.size())};
    }
    if (std::ranges::any_of(row, &std::string::empty)) {
        faults.push_back(row[0] + ": an empty cell");
    }
    if (actors_in(row[actors_column]).empty()) {
        faults.push_back(row[0] + ": nobody's threat");
    }
    const std::string& tests = row.back();
    if (tests.starts_with(out_of_scope)) {
        if (!row[control_column].starts_with(out_of_scope)) {
            faults.push_back(row[0] + ": out of scope without a reason");
        }
    } else if (tests_named_in("|" + tests + "|").empty()) {
        faults.push_back(row[0] + ": no test");
    }
    return faults;
}

std::string security() {
    return test::read_file(root() / "SECURITY.md");
}

TEST(ThreatModel, has_no_empty_row_and_a_test_or_a_reason_in_each) {
    const auto rows = rows_of(security(), R"(TM-\d+)");
    EXPECT_GE(rows.size(), 30U);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(rows[i][0], fmt::format("TM-{}", i + 1)) << "ids have no gap";
        EXPECT_THAT(faults_of(rows[i]), IsEmpty());
    }
}

TEST(ThreatModel, names_tests_that_exist) {
    const auto named = tests_named_in(security());
    EXPECT_GT(named.size(), 80U);
    EXPECT_THAT(missing_tests(named, tests_in(read_tree(root() / "tests"))), IsEmpty());
}

TEST(ThreatModel, has_a_threat_of_each_actor_and_each_actor_described) {
    std::set<int> described;
    for (const auto& row : rows_of(security(), R"(A\d)")) {
        ASSERT_THAT(row, SizeIs(2));
        EXPECT_NE(row[1], "") << row[0];
        EXPECT_TRUE(described.insert(std::stoi(row[0].substr(1))).second) << row[0];
    }
    EXPECT_THAT(described, SizeIs(actors_of_the_model));
    std::set<int> acting;
    for (const auto& row : rows_of(security(), R"(TM-\d+)")) {
        const auto actors = actors_in(row.at(actors_column));
        acting.insert(actors.begin(), actors.end());
    }
    EXPECT_EQ(acting, described);
}

TEST(ThreatModel, with_an_empty_or_untested_row_is_found) {
    const auto faults = [](const std::string& line) {
        const auto rows = rows_of(line, R"(TM-\d+)");
        return rows.size() == 1 ? faults_of(rows[0]) : std::vector<std::string>{"no row"};
    };
    EXPECT_THAT(faults("| TM-1 | net | A1, A2 | t | c | `A.one` |"), IsEmpty());
    EXPECT_THAT(faults("| TM-1 | net | A1 | | c | `A.one` |"), ElementsAre("TM-1: an empty cell"));
    EXPECT_THAT(faults("| TM-1 | net | all | t | c | `A.one` |"), ElementsAre("TM-1: nobody's threat"));
    EXPECT_THAT(faults("| TM-1 | net | A1 | t | `A.one` | later |"), ElementsAre("TM-1: no test"));
    EXPECT_THAT(faults("| TM-1 | net | A1 | t | c | out of scope: root |"),
                ElementsAre("TM-1: out of scope without a reason"));
    EXPECT_THAT(faults("| TM-1 | net | A9 | t | out of scope: it is root | out of scope: see the control |"),
                IsEmpty());
    EXPECT_THAT(faults("| TM-1 | net | A1 | t | `A.one` |"), ElementsAre(HasSubstr("5 cells")));
    EXPECT_THAT(actors_in("A2 to A4"), ElementsAre(2, 3, 4));
}

}  // namespace
}  // namespace hwenroll::lint
