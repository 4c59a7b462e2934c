// The whole fleet.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "tests/simulation/machine.h"

namespace hwenroll::simulation {

struct Outcome {
    std::vector<Violation> violations;  ///< in the order of identities, the fleet's own last
    Figures figures;
    Load::Peak after_outage;
    Load::Peak in_any_day;
    Seconds recovery{};
};

/// Deterministic: the same options lead to the same outcome, whatever the number of threads. `trace` is written to
/// where options.trace names an identity.
Outcome run(const Options& options, std::ostream& trace);

/// Figures, violations and how to see them again.
std::string report(const Options& options, const Outcome& outcome);

}  // namespace hwenroll::simulation
