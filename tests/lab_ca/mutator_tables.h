// The parts of the table of mutators. A further part is declared here and listed in mutator.cpp.
#pragma once

#include <span>

#include "tests/lab_ca/mutator.h"

namespace hwenroll::lab_ca {

using Mutators = std::span<const Mutator>;

Mutators http_mutators();         ///< BAD-1 to BAD-18
Mutators capability_mutators();   ///< BAD-19 to BAD-24
Mutators ca_set_mutators();       ///< BAD-25 to BAD-40
Mutators signed_data_mutators();  ///< BAD-41 to BAD-69
Mutators attribute_mutators();    ///< BAD-70 to BAD-86
Mutators envelope_mutators();     ///< BAD-87 to BAD-104
Mutators certificate_mutators();  ///< BAD-105 to BAD-124
Mutators next_ca_mutators();      ///< BAD-125 to BAD-134

}  // namespace hwenroll::lab_ca
