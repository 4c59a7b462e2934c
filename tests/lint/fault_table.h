// The catalogue of faults (faults.txt) beside the tests that name them: what docs/faults.md shows.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/source_tree.h"

namespace hwenroll::lint {

struct Fault {
    std::string id;
    bool due = false;  ///< it must have a test
    std::string title;
    std::set<std::string> tests;  ///< `Suite.name`; `Suite.*` where an instance of the suite is named for the fault
};

struct FaultSection {
    std::string letter;
    std::string heading;
    std::vector<Fault> faults;
};

/// Reads faults.txt and finds each fault's tests: those whose name, or whose instance's, has its id between
/// underscores, or within a range as in `X1_to_X3`. Throws std::runtime_error for a table with a gap or a row that is
/// none.
std::vector<FaultSection> fault_table(std::string_view text, const std::vector<SourceFile>& tests);

/// The ids that are due and have no test.
std::vector<std::string> untested(const std::vector<FaultSection>& table);

/// docs/faults.md.
std::string render(const std::vector<FaultSection>& table);

}  // namespace hwenroll::lint
