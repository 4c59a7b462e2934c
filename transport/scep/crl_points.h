// DistributionPointName, which certificates and CRLs have in common (RFC 5280 §4.2.1.13, §5.2.5). Internal to this
// module.
#pragma once

#include <string>
#include <vector>

#include "transport/scep/ber.h"

namespace hwenroll::scep {

/// The names in the field [0] of a distribution point: URIs as they are, any other form as text by which two can be
/// compared. `fault` takes what is malformed.
std::vector<std::string> point_names(const BerValue& name, BerFault& fault);

}  // namespace hwenroll::scep
