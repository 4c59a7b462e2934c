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

using testing::IsEmpty;

const std::vector<CatalogueSection>& catalogue() {
    static const std::filesystem::path root = HWENROLL_SOURCE_ROOT;
    static const auto table = fault_table(test::read_file(root / "tests/lint/faults.txt"), read_tree(root / "tests"));
    return table;
}

TEST(FaultTable, has_170_rows) {
    std::size_t rows = 0;
    for (const CatalogueSection& section : catalogue()) {
        rows += section.rows.size();
    }
    EXPECT_EQ(rows, 170U);
}

TEST(FaultTable, every_row_that_is_due_has_a_test) {
    EXPECT_THAT(untested(catalogue()), IsEmpty());
}

TEST(FaultTable, every_row_is_due_and_none_is_empty) {
    for (const CatalogueSection& section : catalogue()) {
        for (const CatalogueRow& row : section.rows) {
            EXPECT_EQ(row.due, Due::now) << row.id;
            EXPECT_FALSE(row.tests.empty()) << row.id << " has no test that is named by it";
        }
    }
}

TEST(FaultTable, docs_faults_md_is_up_to_date) {
    EXPECT_EQ(test::read_file(std::filesystem::path(HWENROLL_SOURCE_ROOT) / "docs/faults.md"),
              render_faults(catalogue()))
        << "run: build/dev/bin/fault_table_doc --write .";
}

}  // namespace
}  // namespace hwenroll::lint
