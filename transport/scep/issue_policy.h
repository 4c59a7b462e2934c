// What an issued certificate says about its subject, compared with what was asked for (CERT-4 … CERT-10).
#pragma once

#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"

namespace hwenroll::scep {

/// When `leaf` and its CA can be used: the present, or the time when all of them have become valid, if later. Only a
/// shadow certificate may be of a CA that is not valid yet (ROLL-13).
TimePoint first_use(const Certificate& leaf, const IssueExpectation& expected);

/// Checks everything about `leaf` but its key and its path. Tolerated deviations go to `warnings`. Error codes:
/// scep_certificate; scep_algorithm for a SHA-1 signature.
Status check_leaf(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings);

}  // namespace hwenroll::scep
