// Catalogues, and the tests that are found for their rows.
#include "tests/lint/catalogue.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lint/fault_table.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<SourceFile>& samples() {
    static const std::vector<SourceFile> files{
        {"a.cpp",
         "TEST(S, A1_works) {\nTEST_F(S, and_A2_A11_too) {\nTEST(S, A10_is_not_A1x) {\n"
         "TEST(S, to_A6_to_A8_to_B) {\n"
         "TEST_P(P, each) {\nINSTANTIATE_TEST_SUITE_P(\n    A3_B1, P, Values(1));\n"
         "// TEST of A4\n"}};
    return files;
}

TEST(Catalogue, finds_ids_in_names_of_tests_and_instances) {
    const auto table = fault_table(
        "# comment\nsection A | First\nA1 | now | one\nA2 | later | two\nA3 | now | three\nA4 | now | four\n"
        "A5 | later | five\nA6 | now | six\nA7 | now | seven\nA8 | now | eight\nA9 | later | nine\n\nsection B | "
        "Second\nB1 | later | other\n",
        samples());
    ASSERT_EQ(table.size(), 2U);
    EXPECT_THAT(table[0].rows[0].tests, ElementsAre("S.A1_works"));
    EXPECT_THAT(table[0].rows[1].tests, ElementsAre("S.and_A2_A11_too"));
    EXPECT_THAT(table[0].rows[2].tests, ElementsAre("P.*"));
    EXPECT_THAT(table[1].rows[0].tests, ElementsAre("P.*"));
    EXPECT_THAT(table[0].rows[6].tests, ElementsAre("S.to_A6_to_A8_to_B"));
    EXPECT_THAT(untested(table), ElementsAre("A4"));
    const std::string text = render_faults(table);
    EXPECT_THAT(text, HasSubstr("10 faults, 7 with a test.\n"));
    EXPECT_THAT(text, HasSubstr("## First\n\n| id | fault | tests |\n|---|---|---|\n| A1 | one | `S.A1_works` |\n"));
    EXPECT_THAT(text, HasSubstr("| A4 | four | **none** |\n| A5 | five | not yet |\n"));
}

TEST(Catalogue, an_id_of_several_parts_is_found_whole) {
    const NamedTest test("S.x", "ZA_3_and_Z_B_12_of_Z_B_1x_and_ZA_20_to_ZA_22");
    for (const char* id : {"ZA-3", "Z-B-12", "ZA-20", "ZA-21", "ZA-22"}) {
        EXPECT_TRUE(test.covers(id)) << id;
    }
    for (const char* id : {"ZA-30", "A-3", "B-1", "Z-B-1", "Z-B-2", "ZA-19", "ZA-23", "ZA-2"}) {
        EXPECT_FALSE(test.covers(id)) << id;
    }
    EXPECT_TRUE(NamedTest("S.B_12", "B_12").covers("B-12"));
}

TEST(Catalogue, a_row_that_is_not_due_says_why) {
    auto table = read_catalogue("section A | First\nA-0 | not | one | too dear\nA-1 | settled | two | A-0\n");
    ASSERT_EQ(table.size(), 1U);
    EXPECT_EQ(tests_column(table[0].rows[0]), "too dear");
    EXPECT_EQ(tests_column(table[0].rows[1]), "A-0");
    EXPECT_THAT(tested_all_the_same(table), ElementsAre());
    find_tests(table[0], {NamedTest("S.A_0", "A_0_all_the_same")});
    EXPECT_THAT(tested_all_the_same(table), ElementsAre("A-0"));
}

TEST(Catalogue, that_cannot_be_read_is_refused) {
    for (const char* text :
         {"A1 | now | one\n", "section A\n", "section A | First\nA2 | now | a gap\n",
          "section A | First\nA1 | soon | one\n", "section A | First\nA1 | now\n",
          "section A | First\nA1 | now | one\nA1 | now | one\n", "section A | First\nA1 | not | without a reason\n",
          "section A | First\nA1 | now | with | a reason\n", "section A | First\nB1 | now | elsewhere\n",
          "section A | First\nA-1 | now | one\nA-B-2 | now | begins late\n"}) {
        EXPECT_THROW(read_catalogue(text), std::runtime_error) << text;
    }
}

}  // namespace
}  // namespace hwenroll::lint
