// Another program that uses a TPM's key as it was published.
#pragma once

#include <string>

#include "tests/e2e/enrollment_world.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {

/// openssl signs by `key`, a file or `handle:0x…`, through tpm2-openssl, and the signature fits the published cert.pem.
void expect_signs_for_consumers(const EnrollmentWorld& world, const SoftwareTpm& tpm, const std::string& key);

}  // namespace hwenroll::test
