// A catalogue of what must be tested (faults.txt, scep_requirements.txt) beside the tests that name its rows.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/source_tree.h"

namespace hwenroll::lint {

enum class Due {
    now,      ///< it must have a test
    later,    ///< it may still be without one
    never,    ///< it was decided against or does not concern us; its note says why
    settled,  ///< a question whose answer stands where its note says
};

struct CatalogueRow {
    std::string id;
    Due due = Due::later;
    std::string title;
    std::string note;             ///< of `never` and `settled` rows only
    std::set<std::string> tests;  ///< `Suite.name`; `Suite.*` where an instance of the suite is named for the row
};

struct CatalogueSection {
    std::string key;  ///< what its ids begin with
    std::string heading;
    std::string party;  ///< whom it concerns, where a catalogue tells that apart
    std::vector<CatalogueRow> rows;
};

/// Reads `section KEY | heading [| party]` and rows `id | now|later|not|settled | title [| note]`. Numbers of ids that
/// differ in nothing else have no gap and begin with 0 or 1. Throws std::runtime_error for a line that is neither.
std::vector<CatalogueSection> read_catalogue(std::string_view text);

/// A test under the name that is shown, with the ids that it covers.
class NamedTest {
 public:
    /// `name` is searched for ids, which stand between underscores; `X1_to_X3` and `SM_6_to_SM_9` are all between too.
    NamedTest(std::string shown, const std::string& name);

    const std::string& shown() const { return shown_; }
    /// `id` may have hyphens where names have underscores.
    bool covers(std::string_view id) const;

 private:
    std::string shown_;
    std::string words_;
};

/// All tests and named instances of parameterised tests in `files`.
std::vector<NamedTest> named_tests(const std::vector<SourceFile>& files);

/// Fills in the tests of the section's rows.
void find_tests(CatalogueSection& section, const std::vector<NamedTest>& tests);

/// The ids that are due and have no test.
std::vector<std::string> untested(const std::vector<CatalogueSection>& catalogue);

/// The ids that were decided against although a test names them.
std::vector<std::string> tested_all_the_same(const std::vector<CatalogueSection>& catalogue);

/// What a document shows as the tests of a row.
std::string tests_column(const CatalogueRow& row);

/// How many rows there are, and how many of them have a test.
struct CatalogueCount {
    std::size_t rows = 0;
    std::size_t tested = 0;
    std::size_t never = 0;
};
CatalogueCount count(const std::vector<CatalogueSection>& catalogue);

}  // namespace hwenroll::lint
