// Certificates made for one test, with a software key.
#pragma once

#include <string>
#include <vector>

#include "base/certificate.h"

namespace hwenroll::test {

/// What a sample certificate says; the defaults make a plain end-entity certificate.
struct SampleCertificate {
    std::string subject = "CN=web01.example.com,O=Example";
    std::string subject_alt_name;   ///< libcrypto's configuration syntax, e.g. `DNS:a.example,IP:192.0.2.1`
    std::string key_usage;          ///< e.g. `digitalSignature`
    std::string basic_constraints;  ///< e.g. `critical,CA:TRUE`
    std::vector<std::uint8_t> serial = {0x01};
    TimePoint not_before = TimePoint(Seconds(1'767'225'600));  ///< 2026-01-01T00:00:00Z
    TimePoint not_after = TimePoint(Seconds(1'798'761'600));   ///< 2027-01-01T00:00:00Z
};

/// A new EC P-256 key.
OpenSslPtr<EVP_PKEY> software_key();

/// Self-signed with a key of its own. Throws std::runtime_error when it cannot be made.
Certificate make(const SampleCertificate& sample);

}  // namespace hwenroll::test
