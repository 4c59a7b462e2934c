// A private key of tests/fuzz/keys: nothing is drawn, so that an input fails again wherever it is tried.
#pragma once

#include <string>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::fuzz {

/// Throws where there is none.
test::Key recorded_key(const std::string& name);

}  // namespace hwenroll::fuzz
