// What is found of one section without reading the others, and when it is not trusted to be found.
#include "agent/config/toml_excerpt.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "agent/config/toml_document.h"

namespace hwenroll::test {
namespace {

using config::excerpt_of;
using config::parse_toml;

/// The excerpt of [agent], with line ends written as `|`.
std::string excerpt(const std::string& text) {
    std::string found = excerpt_of(text, "agent").value_or("(all of it)");
    std::ranges::replace(found, '\n', '|');
    return found;
}

TEST(TomlExcerpt, keeps_the_section_and_its_lines_where_they_are) {
    EXPECT_EQ(excerpt("[ca.x]\nurl = 1\n[agent]\na = 1\n[token.y]\nb = 2\n"), "||[agent]|a = 1|");
    EXPECT_EQ(excerpt("[agent]\na = 1\n[x]\n[agent.part]\nb = 2"), "[agent]|a = 1||[agent.part]|b = 2");
    EXPECT_EQ(excerpt(" [[ agent ]] # one\n[agents]\na = 1\n"), " [[ agent ]] # one|");
}

TEST(TomlExcerpt, keeps_what_stands_before_the_first_header) {
    EXPECT_EQ(excerpt("agent.a = 1\nca = {x = {}}\n[x]\ny = 1\n"), "agent.a = 1|ca = {x = {}}|");
    EXPECT_EQ(excerpt("[x]\ny = 1"), "");
    EXPECT_EQ(excerpt(""), "");
}

TEST(TomlExcerpt, takes_no_header_for_one_that_is_part_of_a_value_or_comment) {
    EXPECT_EQ(excerpt("[x]\na = [\n[agent],\n]\nb = 1\n"), "");
    EXPECT_EQ(excerpt("[x]\na = \"\"\"\n[agent]\n\"\"\"\n# [\n[agent]\n"), "|||||[agent]|");
    EXPECT_EQ(excerpt("[x]\na = '''\n[agent]\\'''\n[agent]\n"), "|||[agent]|");
    EXPECT_EQ(excerpt("[x]\na = \"[\\\"\" # ]\n[agent]\n"), "||[agent]|");
    EXPECT_EQ(excerpt("[x]\na = '[\\'\n[agent]\n"), "||[agent]|");
    EXPECT_EQ(excerpt("[x]\na = \"\"\"\"\"two\"\"\"\"\"\n[agent]\n"), "||[agent]|");
    EXPECT_EQ(excerpt("[x]\na = \"\"\n[agent]\n"), "||[agent]|");
    EXPECT_EQ(excerpt("[x]\r\na = 1\r\n[agent]\r\nb = 1\r\n"), "||[agent]\r|b = 1\r|");
}

TEST(TomlExcerpt, is_none_when_the_sections_cannot_be_told_apart_for_sure) {
    for (const char* const text : {"[x]\na = \"open\n[agent]\n", "[x]\na = '''open\n[agent]\n",
                                   "[x]\na = [1\n[agent]\n", "[x]\na = 1]\n[agent]\n", "[\"agent\"]\n", "['x']\n",
                                   "[]\n", "[x\n[agent]\n", "[x]\na = \"\"\"\"\"\"\"\"\"\"\n", "[x]\na = \"\\"}) {
        EXPECT_FALSE(excerpt_of(text, "agent")) << text;
    }
}

TEST(TomlExcerpt, reads_to_the_same_values_as_the_whole) {
    const std::string text =
        "[identity.a]\nsan = [\n  \"dns:[agent]\", # ]\n]\n[agent] # here\nstate_dir = '/srv'\non_alert = [\n "
        "\"/x\",\n]\n"
        "[agent.more]\na = {b = \"]\"}\n[ca.corp]\nurl = \"\"\"\n[agent]\n\"\"\"\n";
    const auto whole = parse_toml(text, "file");
    const auto part = parse_toml(excerpt_of(text, "agent").value(), "file");
    ASSERT_TRUE(whole);
    ASSERT_TRUE(part);
    ASSERT_EQ(part->size(), 1U);
    const auto& expected = *config::find(*whole, "agent")->value.get<config::Table>();
    const auto& actual = *part->front().value.get<config::Table>();
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(actual[i].key, expected[i].key);
        EXPECT_EQ(actual[i].at.text(), expected[i].at.text());
    }
}

}  // namespace
}  // namespace hwenroll::test
