// docs/scep-conformance.md is what the catalogue and the tests' names say, and no requirement of the client that is due
// is without a test.
#include "tests/lint/requirement_table.h"

#include <filesystem>
#include <stdexcept>
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

const std::filesystem::path& root() {
    static const std::filesystem::path path = HWENROLL_SOURCE_ROOT;
    return path;
}

const std::vector<SourceFile>& tree() {
    static const std::vector<SourceFile> files = read_tree(root());
    return files;
}

const std::vector<CatalogueSection>& catalogue() {
    static const auto table = requirement_table(test::read_file(root() / "tests/lint/scep_requirements.txt"), tree());
    return table;
}

TEST(RequirementTable, has_491_rows) {
    EXPECT_EQ(count(catalogue()).rows, 491U);
}

TEST(RequirementTable, every_row_that_is_due_has_a_test) {
    EXPECT_THAT(untested(catalogue()), IsEmpty());
}

TEST(RequirementTable, what_is_not_done_has_no_test) {
    EXPECT_THAT(tested_all_the_same(catalogue()), IsEmpty());
}

TEST(RequirementTable, every_open_question_is_answered_somewhere) {
    EXPECT_THAT(answers_that_lead_nowhere(catalogue(), tree()), IsEmpty());
}

TEST(RequirementTable, docs_scep_conformance_md_is_up_to_date) {
    EXPECT_EQ(test::read_file(root() / "docs/scep-conformance.md"), render_requirements(catalogue()))
        << "run: build/dev/bin/scep_conformance_doc --write .";
}

TEST(RequirementTable, a_test_of_the_lab_ca_proves_nothing_about_the_client) {
    const std::vector<SourceFile> files{{"docs/x.md", ""},
                                        {"tests/lab_ca/a.cpp", "TEST(Lab, ZA_1_ZB_1_both) {\n"},
                                        {"tests/scep/b.cpp", "TEST(Client, ZA_2_ZB_2_both) {\n"}};
    const auto table = requirement_table(
        "section ZA | Client | client\nZA-1 | now | one\nZA-2 | now | two\nZA-3 | not | three | no\n"
        "section ZB | Lab | lab CA\nZB-1 | now | one\nZB-2 | now | two\nZB-3 | later | three\n"
        "section ZC | Questions | decisions\nZC-1 | settled | which? | x.md, ZA-1\nZC-2 | settled | why? | y.md\n",
        files);
    EXPECT_THAT(untested(table), ElementsAre("ZA-1"));
    EXPECT_THAT(answers_that_lead_nowhere(table, files), ElementsAre("ZC-2: y.md"));
    const std::string text = render_requirements(table);
    EXPECT_THAT(text, HasSubstr("3 requirements: 1 with a test, 1 not done for the reason given, 1 still without a "
                                "test.\n"));
    EXPECT_THAT(text, HasSubstr("### Client\n\n| id | requirement | tests |\n|---|---|---|\n| ZA-1 | one | **none** |\n"
                                "| ZA-2 | two | `Client.ZA_2_ZB_2_both` |\n| ZA-3 | three | not done: no |\n"));
    EXPECT_THAT(text, HasSubstr("| ZB-1 | one | `Lab.ZA_1_ZB_1_both` |\n"));
    EXPECT_THAT(text, HasSubstr("| ZB-3 | three | not yet |\n"));
    EXPECT_THAT(text, HasSubstr("| ZC-1 | which? | [x.md](x.md), ZA-1 |\n"));
}

TEST(RequirementTable, a_section_of_nobody_is_refused) {
    EXPECT_THROW(requirement_table("section ZA | A | somebody\nZA-1 | now | one\n", {}), std::runtime_error);
    EXPECT_THROW(requirement_table("section ZA | A\nZA-1 | now | one\n", {}), std::runtime_error);
}

}  // namespace
}  // namespace hwenroll::lint
