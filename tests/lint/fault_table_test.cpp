// docs/faults.md is what the catalogue and the tests' names say, and no fault that is due is without a test.
#include "tests/lint/fault_table.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<FaultSection>& catalogue() {
    static const std::filesystem::path root = HWENROLL_SOURCE_ROOT;
    static const auto table = fault_table(test::read_file(root / "tests/lint/faults.txt"), read_tree(root / "tests"));
    return table;
}

TEST(FaultTable, has_170_rows) {
    std::size_t rows = 0;
    for (const FaultSection& section : catalogue()) {
        rows += section.faults.size();
    }
    EXPECT_EQ(rows, 170U);
}

TEST(FaultTable, every_row_that_is_due_has_a_test) {
    EXPECT_THAT(untested(catalogue()), IsEmpty());
}

TEST(FaultTable, docs_faults_md_is_up_to_date) {
    EXPECT_EQ(test::read_file(std::filesystem::path(HWENROLL_SOURCE_ROOT) / "docs/faults.md"), render(catalogue()))
        << "run: build/dev/bin/fault_table_doc --write .";
}

TEST(FaultTable, finds_ids_in_names_of_tests_and_instances) {
    const std::vector<SourceFile> tests{{"a.cpp",
                                         "TEST(S, A1_works) {\nTEST_F(S, and_A2_A11_too) {\nTEST(S, A10_is_not_A1x) {\n"
                                         "TEST(S, to_A6_to_A8_to_B) {\n"
                                         "TEST_P(P, each) {\nINSTANTIATE_TEST_SUITE_P(\n    A3_B1, P, Values(1));\n"
                                         "// TEST of A4\n"}};
    const auto table = fault_table(
        "# comment\nsection A | First\nA1 | now | one\nA2 | later | two\nA3 | now | three\nA4 | now | four\n"
        "A5 | later | five\nA6 | now | six\nA7 | now | seven\nA8 | now | eight\nA9 | later | nine\n\nsection B | "
        "Second\nB1 | later | other\n",
        tests);
    ASSERT_EQ(table.size(), 2U);
    EXPECT_THAT(table[0].faults[0].tests, ElementsAre("S.A1_works"));
    EXPECT_THAT(table[0].faults[1].tests, ElementsAre("S.and_A2_A11_too"));
    EXPECT_THAT(table[0].faults[2].tests, ElementsAre("P.*"));
    EXPECT_THAT(table[1].faults[0].tests, ElementsAre("P.*"));
    EXPECT_THAT(table[0].faults[6].tests, ElementsAre("S.to_A6_to_A8_to_B"));
    EXPECT_THAT(untested(table), ElementsAre("A4"));
    const std::string text = render(table);
    EXPECT_THAT(text, HasSubstr("10 faults, 7 with a test.\n"));
    EXPECT_THAT(text, HasSubstr("## First\n\n| id | fault | tests |\n|---|---|---|\n| A1 | one | `S.A1_works` |\n"));
    EXPECT_THAT(text, HasSubstr("| A4 | four | **none** |\n| A5 | five | not yet |\n"));
}

TEST(FaultTable, that_cannot_be_read_is_refused) {
    for (const char* text : {"A1 | now | one\n", "section A\n", "section A | First\nA2 | now | a gap\n",
                             "section A | First\nA1 | soon | one\n", "section A | First\nA1 | now\n",
                             "section A | First\nA1 | now | one\nA1 | now | one\n"}) {
        EXPECT_THROW(fault_table(text, {}), std::runtime_error) << text;
    }
}

}  // namespace
}  // namespace hwenroll::lint
