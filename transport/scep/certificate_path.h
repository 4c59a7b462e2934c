// From an issued certificate to the pinned anchor, whatever the order in which the certificates came (DEG-8).
#pragma once

#include <vector>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Whether `issuer` issued `certificate`: names, key identifiers, keyUsage and the signature.
bool is_issued_by(const Certificate& certificate, const Certificate& issuer);

/// The CA certificates between `leaf` and `anchor`, leaf's issuer first, none when the anchor itself issued it. Earlier
/// members of `pool` are preferred; those not valid `at` that time are left out. At most 100 signatures are verified
/// and `limits.max_path` certificates joined (SEC-11). The path found has then passed libcrypto's validation for that
/// time (path length, name constraints, critical extensions). Error code: scep_chain.
Result<std::vector<Certificate>> find_path(const Certificate& leaf, const std::vector<Certificate>& pool,
                                           const Certificate& anchor, TimePoint at, const ParseLimits& limits);

}  // namespace hwenroll::scep
