// The one table of errors: what scripts and people rely on in it.
#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace hwenroll {
namespace {

TEST(ErrorTable, every_code_finds_its_own_row) {
    ASSERT_FALSE(error_table().empty());
    for (const ErrorInfo& row : error_table()) {
        EXPECT_EQ(&error_info(row.code), &row) << row.name;
    }
}

TEST(ErrorTable, names_are_unique_and_spelled_E_AREA_REASON) {
    const std::regex spelling("E-[A-Z]+[0-9]*(-[A-Z0-9]+)*");
    std::set<std::string_view> seen;
    for (const ErrorInfo& row : error_table()) {
        EXPECT_TRUE(std::regex_match(std::string(row.name), spelling)) << row.name;
        EXPECT_TRUE(seen.insert(row.name).second) << row.name << " stands twice";
    }
}

TEST(ErrorTable, exit_codes_are_those_of_the_command_line) {
    const std::set<int> allowed{64, 66, 69, 70, 73, 75, 76, 77, 78};
    for (const ErrorInfo& row : error_table()) {
        EXPECT_TRUE(allowed.contains(row.exit_code)) << row.name << " has " << row.exit_code;
    }
}

TEST(ErrorTable, an_area_keeps_to_its_exit_codes) {
    const std::map<std::string, std::set<int>> allowed{
        {"CONFIG", {78}},     {"CHALLENGE", {78}}, {"TOKEN", {69, 76, 77, 78}},
        {"CA", {69, 75, 76}}, {"SCEP", {76}},      {"STATE", {75, 77}},
        {"PUBLISH", {75}},    {"INPUT", {66}},     {"OUTPUT", {73}},
    };
    for (const ErrorInfo& row : error_table()) {
        const std::string area(row.name.substr(2, row.name.find('-', 2) - 2));
        if (const auto rule = allowed.find(area); rule != allowed.end()) {
            EXPECT_TRUE(rule->second.contains(row.exit_code)) << row.name << " has " << row.exit_code;
        }
    }
}

TEST(ErrorTable, what_concerns_a_PIN_ends_with_77_and_its_remedy) {
    for (const ErrorInfo& row : error_table()) {
        const bool pin = row.name.starts_with("E-TOKEN-PIN");
        // sysexits' EX_NOPERM is each: no leave to use the token, the control socket or the state database.
        EXPECT_EQ(pin || row.name == "E-CONTROL-DENIED" || row.name == "E-STATE-DENIED", row.exit_code == 77)
            << row.name;
        EXPECT_EQ(pin, row.remedy == Remedy::change_pin) << row.name;
    }
}

TEST(ErrorTable, every_text_is_one_phrase_for_a_sentence) {
    for (const ErrorInfo& row : error_table()) {
        for (const std::string_view text : {row.meaning, row.next}) {
            EXPECT_FALSE(text.empty()) << row.name;
            EXPECT_FALSE(text.ends_with('.')) << row.name << ": " << text;
            EXPECT_EQ(printable(text), text) << row.name;
        }
        EXPECT_TRUE(std::islower(static_cast<unsigned char>(row.meaning.front())) != 0 ||
                    row.meaning.find("CA") != std::string_view::npos || row.meaning.starts_with("PKCS") ||
                    row.meaning.starts_with("libcrypto"))
            << row.name << ": " << row.meaning;
    }
}

TEST(ErrorTable, every_explanation_is_a_few_sentences) {
    static const std::regex sentence_end(R"([.?](?= |$))");
    std::set<std::string_view> seen;
    for (const ErrorInfo& row : error_table()) {
        const std::string text(row.explanation);
        const auto sentences = std::distance(std::sregex_iterator(text.begin(), text.end(), sentence_end), {});
        EXPECT_GE(sentences, 2) << row.name << ": " << text;
        EXPECT_LE(sentences, 5) << row.name << ": " << text;
        EXPECT_TRUE(text.ends_with('.')) << row.name;
        EXPECT_EQ(text.find("  "), std::string::npos) << row.name;
        EXPECT_EQ(printable(text, 2000), text) << row.name;
        EXPECT_TRUE(seen.insert(row.explanation).second) << row.name << " has another code's explanation";
    }
}

TEST(ErrorTable, advice_names_only_commands_of_the_design) {
    const std::regex command("'hwenroll ([a-z][a-z-]*)");
    const std::set<std::string> known{"check-config", "token",  "ca",      "resume", "scep",   "list",
                                      "status",       "doctor", "explain", "wait",   "enroll", "crl"};
    for (const ErrorInfo& row : error_table()) {
        const std::string next = fmt::format("{} {}", row.next, row.explanation);
        for (std::sregex_iterator at(next.begin(), next.end(), command), end; at != end; ++at) {
            EXPECT_TRUE(known.contains((*at)[1].str())) << row.name << ": " << next;
        }
    }
}

}  // namespace
}  // namespace hwenroll
