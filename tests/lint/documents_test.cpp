// What the documents say about the project, held against the project: commands of README.md and CONTRIBUTING.md, tests
// named in docs/abilities.md, links between documents.
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lint/rules.h"
#include "tests/lint/source_tree.h"
#include "tests/lint/test_names.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

const std::filesystem::path& root() {
    static const std::filesystem::path path = HWENROLL_SOURCE_ROOT;
    return path;
}

std::string document(std::string_view name) {
    return test::read_file(root() / name);
}

bool is_ours(const std::string& word) {
    return word.starts_with("./") || word.starts_with(".ci/") || word.starts_with("tests/");
}

/// The words of a command up to the first option or operand: `hwenroll token keys`.
std::vector<std::string> subcommand_of(const DocumentedCommand& command) {
    static const std::regex plain("[a-z][a-z-]*");
    std::vector<std::string> words;
    for (const std::string& word : command.words) {
        if (!std::regex_match(word, plain)) {
            break;
        }
        words.push_back(word);
    }
    return words;
}

/// What a program that was built says about `subcommand` and about itself; empty if it does not know the subcommand.
std::string help_of(const std::vector<std::string>& subcommand) {
    const auto ask = [](std::vector<std::string> words) {
        words[0] = hwenroll::test::program(words[0]);
        words.emplace_back("--help");
        return test::run(words).out;
    };
    const std::string help = ask(subcommand);
    const bool known = help.find(fmt::format("Usage: {} ", fmt::join(subcommand, " "))) != std::string::npos;
    return known ? help + ask({subcommand[0]}) : std::string();
}

/// Options that `program` is shown with but does not name in its help.
std::vector<std::string> unknown_options(const std::string& help, const DocumentedCommand& command) {
    std::vector<std::string> unknown;
    for (const std::string& word : command.words) {
        if (word.starts_with("--") && help.find(word.substr(0, word.find('='))) == std::string::npos) {
            unknown.push_back(word);
        }
    }
    return unknown;
}

class Commands : public testing::TestWithParam<const char*> {};

TEST_P(Commands, that_a_document_shows_are_there) {
    const auto commands = documented_commands(document(GetParam()));
    EXPECT_FALSE(commands.empty());
    for (const DocumentedCommand& command : commands) {
        const std::string where = fmt::format("{}:{}", GetParam(), command.line);
        const std::string& program = command.words[0];
        if (is_ours(program)) {
            const auto status = std::filesystem::status(root() / program);
            EXPECT_TRUE(std::filesystem::is_regular_file(status)) << where << ": no file " << program;
            EXPECT_NE(status.permissions() & std::filesystem::perms::owner_exec, std::filesystem::perms::none)
                << where << ": " << program << " is not executable";
            EXPECT_THAT(unknown_options(document(program), command), IsEmpty()) << where;
        } else if (program.starts_with("hwenroll")) {
            const std::string help = help_of(subcommand_of(command));
            EXPECT_FALSE(help.empty()) << where << ": " << program << " has no such command";
            EXPECT_THAT(unknown_options(help, command), IsEmpty()) << where;
        } else {
            EXPECT_THAT((std::set<std::string>{"cmake", "ctest"}), testing::Contains(program)) << where;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Documents, Commands, testing::Values("README.md", "CONTRIBUTING.md"));

TEST(Commands, that_are_missing_are_found) {
    EXPECT_THAT(unknown_options("usage: x [--asan]", {1, {"./x", "--asan", "--bsan=1"}}), ElementsAre("--bsan=1"));
    EXPECT_THAT(subcommand_of({1, {"hwenroll", "token", "keys", "--json"}}), ElementsAre("hwenroll", "token", "keys"));
    EXPECT_THAT(subcommand_of({1, {"hwenroll", "ca", "show", "http://ca.example.com/"}}),
                ElementsAre("hwenroll", "ca", "show"));
    EXPECT_EQ(help_of({"hwenroll", "nosuchcommand"}), "");
    EXPECT_EQ(help_of({"hwenroll", "token", "nosuchcommand"}), "");
}

TEST(Abilities, name_tests_that_exist) {
    const auto named = tests_named_in(document("docs/abilities.md"));
    EXPECT_GT(named.size(), 20U);
    EXPECT_THAT(missing_tests(named, tests_in(read_tree(root() / "tests"))), IsEmpty());
}

TEST(Abilities, that_name_a_missing_test_are_found) {
    const std::set<std::string> there{"A.one", "A.two", "B.three"};
    EXPECT_THAT(missing_tests({"A.one", "A.*", "A.tw*", "B.three"}, there), IsEmpty());
    EXPECT_THAT(missing_tests({"A.on", "C.*", "A.x*"}, there), ElementsAre("A.on", "C.*", "A.x*"));
    EXPECT_THAT(tests_named_in("| a `not.this` | `A.one`, `A.*` |\n"), ElementsAre("A.one", "A.*"));
    EXPECT_THAT(tests_in({{"a.cpp", "TEST(A, one) {\nTEST_F(\n  B, two) {"}}), IsSupersetOf({"A.one", "B.two"}));
}

bool is_row_file(const SourceFile& file) {
    return file.path.starts_with("tests/agent/lifecycle/") && file.path.ends_with("_step_test.cpp");
}

std::vector<SourceFile> row_files() {
    std::vector<SourceFile> files = read_tree(root());
    std::erase_if(files, [](const SourceFile& file) { return !is_row_file(file); });
    return files;
}

TEST(StateMachine, each_row_names_one_test_of_its_own_that_exists) {
    const auto named = tests_named_in(document("docs/state-machine.md"));
    const std::set<std::string> once(named.begin(), named.end());
    EXPECT_GT(named.size(), 200U);
    EXPECT_EQ(once.size(), named.size());
    EXPECT_THAT(missing_tests(named, tests_in(row_files())), IsEmpty());
    std::size_t rows = 0;
    static const std::regex row(R"(\| [A-Z]\d+ \|)");
    const std::string text = document("docs/state-machine.md");
    for (std::sregex_iterator at(text.begin(), text.end(), row), end; at != end; ++at) {
        ++rows;
    }
    EXPECT_EQ(rows, named.size());
}

TEST(StateMachine, each_test_of_the_machines_has_a_row) {
    const auto named = tests_named_in(document("docs/state-machine.md"));
    const std::set<std::string> rows(named.begin(), named.end());
    const auto there = tests_in(row_files());
    EXPECT_THAT(missing_tests({there.begin(), there.end()}, rows), IsEmpty());
}

/// Relative links of a Markdown document that lead nowhere.
std::vector<std::string> broken_links(const SourceFile& file) {
    static const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
    std::vector<std::string> broken;
    for (std::sregex_iterator at(file.text.begin(), file.text.end(), link), end; at != end; ++at) {
        const std::filesystem::path folder = (root() / file.path).parent_path();
        if (!std::filesystem::exists(folder / (*at)[1].str())) {
            broken.push_back(file.path + ": " + (*at)[1].str());
        }
    }
    return broken;
}

TEST(Links, lead_somewhere) {
    for (const SourceFile& file : read_tree(root())) {
        if (file.path.ends_with(".md")) {
            EXPECT_THAT(broken_links(file), IsEmpty());
        }
    }
    EXPECT_THAT(broken_links({"docs/x.md", "[a](../README.md#use) [b](nowhere.md) [c](http://example.com)"}),
                ElementsAre("docs/x.md: nowhere.md"));
}

TEST(Links, lead_from_the_readme_to_every_document_for_people) {
    const std::string index = document("README.md") + document("docs/guides/README.md");
    std::size_t documents = 0;
    for (const char* folder : {"docs", "docs/guides"}) {
        for (const auto& entry : std::filesystem::directory_iterator(root() / folder)) {
            const std::string name = entry.path().filename().string();
            if (entry.path().extension() == ".md" && name != "README.md") {
                EXPECT_TRUE(index.find("](" + name) != std::string::npos ||
                            index.find(fmt::format("]({}/{}", folder, name)) != std::string::npos)
                    << folder << "/" << name << " is in no list";
                ++documents;
            }
        }
    }
    EXPECT_GT(documents, 20U);
}

}  // namespace
}  // namespace hwenroll::lint
