// What RFC 8894, older drafts and servers in the field ask of a SCEP client and of the lab CA (scep_requirements.txt)
// beside the tests that name it: what docs/scep-conformance.md shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/catalogue.h"

namespace hwenroll::lint {

/// Parties of sections.
inline constexpr std::string_view client_party = "client";
inline constexpr std::string_view lab_ca_party = "lab CA";
inline constexpr std::string_view decision_party = "decisions";

/// Reads scep_requirements.txt and finds each requirement's tests. What the client has to do is never proved by a test
/// of the lab CA alone, so those in tests/lab_ca count for the lab CA only. Throws std::runtime_error for a catalogue
/// with a gap, an unknown party or a line that is none of its rows.
std::vector<CatalogueSection> requirement_table(std::string_view text, const std::vector<SourceFile>& tests);

/// The answers of `settled` rows that are neither an id of the catalogue nor a document among `files`: `AMB-1: X`.
std::vector<std::string> answers_that_lead_nowhere(const std::vector<CatalogueSection>& table,
                                                   const std::vector<SourceFile>& files);

/// docs/scep-conformance.md.
std::string render_requirements(const std::vector<CatalogueSection>& table);

}  // namespace hwenroll::lint
