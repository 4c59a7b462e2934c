// Every error code has a test that triggers it: tests/base/error_triggers.txt, held against the error table and the
// sources of the tests.
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lint/source_tree.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A row of base/error_table.def.
struct Code {
    std::string identifier;
    std::string name;
};

std::vector<Code> codes_in(const std::string& table) {
    static const std::regex row(R"re(HWENROLL_ERROR\((\w+), "([^"]+)")re");
    std::vector<Code> codes;
    for (std::sregex_iterator at(table.begin(), table.end(), row), end; at != end; ++at) {
        codes.push_back({(*at)[1], (*at)[2]});
    }
    return codes;
}

/// The test for each code name; a line without two words gives an empty one.
std::multimap<std::string, std::string> triggers_in(std::string_view text) {
    std::multimap<std::string, std::string> triggers;
    for (const std::string_view line : lines_of(text)) {
        const auto words = words_of(line);
        if (!words.empty() && !line.starts_with('#')) {
            triggers.emplace(words[0], words.size() == 2 ? words[1] : std::string());
        }
    }
    return triggers;
}

/// The text of each test by Suite.name: its body; of a parameterised one the whole file, since its table stands beside
/// it.
std::map<std::string, std::string> bodies_in(const std::vector<SourceFile>& files) {
    static const std::regex macro(R"((?:^|\n)TEST(_F|_P)?\(\s*(\w+),\s*(\w+)\s*\))");
    std::map<std::string, std::string> bodies;
    for (const SourceFile& file : files) {
        std::sregex_iterator at(file.text.begin(), file.text.end(), macro);
        for (const std::sregex_iterator end; at != end;) {
            const std::smatch found = *at;
            const auto begin = static_cast<std::size_t>(found.position());
            const auto stop = ++at == end ? file.text.size() : static_cast<std::size_t>(at->position());
            bodies[found[2].str() + "." + found[3].str()] =
                found[1] == "_P" ? file.text : file.text.substr(begin, stop - begin);
        }
    }
    return bodies;
}

/// `E-AREA-REASON` that no longer spelling continues, or `ErrorCode::identifier`.
bool names(const std::string& body, const Code& code) {
    return std::regex_search(body, std::regex(code.name + "(?![A-Z0-9-])")) ||
           std::regex_search(body, std::regex("ErrorCode::" + code.identifier + "\\b"));
}

/// What is wrong with the table of triggers, one line each.
std::vector<std::string> faults(const std::vector<Code>& codes, const std::multimap<std::string, std::string>& triggers,
                                const std::map<std::string, std::string>& bodies) {
    std::vector<std::string> found;
    std::set<std::string> known;
    for (const Code& code : codes) {
        known.insert(code.name);
        const auto count = triggers.count(code.name);
        if (count != 1) {
            found.push_back(code.name + " has " + std::to_string(count) + " rows");
            continue;
        }
        const std::string& test = triggers.find(code.name)->second;
        const auto body = bodies.find(test);
        if (body == bodies.end()) {
            found.push_back(code.name + ": there is no test '" + test + "'");
        } else if (!names(body->second, code)) {
            found.push_back(code.name + ": " + test + " does not name it");
        }
    }
    for (const auto& [name, test] : triggers) {
        if (!known.contains(name)) {
            found.push_back(name + " is no code");
        }
    }
    return found;
}

TEST(ErrorTriggers, every_code_has_a_test_that_names_it) {
    const std::filesystem::path root = HWENROLL_SOURCE_ROOT;
    const auto codes = codes_in(test::read_file(root / "base/error_table.def"));
    EXPECT_GT(codes.size(), 60U);
    EXPECT_THAT(faults(codes, triggers_in(test::read_file(root / "tests/base/error_triggers.txt")),
                       bodies_in(read_tree(root / "tests"))),
                IsEmpty());
}

TEST(ErrorTriggers, that_are_missing_or_name_another_code_are_found) {
    const auto codes = codes_in("HWENROLL_ERROR(a, \"E-A\", 1)\nHWENROLL_ERROR(a_b, \"E-A-B\", 1)\n");
    ASSERT_EQ(codes.size(), 2U);
    const std::vector<SourceFile> sources{
        {"x.cpp",
         "TEST(S, one) {\n ErrorCode::a_b; }\nTEST_F(S, two) {\n \"E-A-B\"; }\nTEST(S, three) {\n \"E-A \"; }\n"},
        {"y.cpp", "E-A,\nTEST_P(P, each) {}\n"}};
    const auto check = [&](const char* text) { return faults(codes, triggers_in(text), bodies_in(sources)); };
    EXPECT_THAT(check("# comment\nE-A S.three\nE-A-B S.one\n"), IsEmpty());
    EXPECT_THAT(check("E-A P.each\nE-A-B S.two\n"), IsEmpty());
    EXPECT_THAT(check("E-A-B S.one\n"), ElementsAre("E-A has 0 rows"));
    EXPECT_THAT(check("E-A S.one\nE-A-B S.one\n"), ElementsAre("E-A: S.one does not name it"));
    EXPECT_THAT(check("E-A S.two\nE-A-B S.two\n"), ElementsAre("E-A: S.two does not name it"));
    EXPECT_THAT(check("E-A S.four\nE-A-B S.one\nE-A-B S.one\nE-C S.one\n"),
                ElementsAre("E-A: there is no test 'S.four'", "E-A-B has 2 rows", "E-C is no code"));
    EXPECT_THAT(check("E-A\nE-A-B S.one x\n"), ElementsAre("E-A: there is no test ''", "E-A-B: there is no test ''"));
}

}  // namespace
}  // namespace hwenroll::lint
