// What an issued certificate says about its subject, compared with what was asked for (CERT-4 … CERT-10).
#pragma once

#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"

namespace hwenroll::scep {

/// Checks everything about `leaf` but its key and its path. Tolerated deviations go to `warnings`. Error codes:
/// scep_certificate; scep_algorithm for a SHA-1 signature.
Status check_leaf(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings);

}  // namespace hwenroll::scep
