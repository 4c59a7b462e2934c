// Which CRLs are kept although no certificate asks for them any more: what they say of RAs counts on (SIG-14, SEC-3).
// Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/lifecycle/crl_state.h"

namespace hwenroll::lifecycle {

/// Of one issuer, so many of the newest lists that no certificate asks for are kept.
inline constexpr std::size_t most_retained_crls = 8;

/// Adds to `in_use` those of `others` that are at hand and whose issuer has a list in `in_use` or among `wanted`.
/// GetCACert is not signed: whoever has the key of a revoked RA could have it shown alone, and keep the next list away,
/// once a renewed certificate names other distribution points.
void retain_crls(std::vector<CrlState>& in_use, std::vector<CrlState> others, const std::vector<CrlName>& wanted);

/// True when `list` has ended, is not `wanted`, and a newer one of its issuer is at hand: a suspension
/// (certificateHold) that it tells of may have ended since. A revocation has not.
bool is_outlived(const CrlState& list, const std::vector<CrlState>& states, const std::vector<CrlName>& wanted,
                 TimePoint now);

}  // namespace hwenroll::lifecycle
