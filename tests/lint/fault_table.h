// The catalogue of faults (faults.txt) beside the tests that name them: what docs/faults.md shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/catalogue.h"

namespace hwenroll::lint {

/// Reads faults.txt and finds each fault's tests. Throws std::runtime_error for a table with a gap or a row that is
/// none.
std::vector<CatalogueSection> fault_table(std::string_view text, const std::vector<SourceFile>& tests);

/// docs/faults.md.
std::string render_faults(const std::vector<CatalogueSection>& table);

}  // namespace hwenroll::lint
