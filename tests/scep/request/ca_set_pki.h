// The certificates that the tests of a CA's set begin with.
#pragma once

#include <string>
#include <vector>

#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::scep::test_set {

inline constexpr const char* cmc_ra = "1.3.6.1.5.5.7.3.28";
inline constexpr const char* request_agent = "1.3.6.1.4.1.311.20.2.1";

/// `SHA256:6F:…`.
std::string fingerprint_text(const Certificate& certificate);

/// A root, an intermediate below it and keys for more. RSA where a role needs it, EC elsewhere.
struct Pki {
    test::Key root_key = test::rsa_key(1);
    test::Key intermediate_key = test::rsa_key(2);
    test::Key ra_key = test::rsa_key(3);
    Certificate root = test::self_signed(test::ca_spec("CN=Root"), root_key);
    Certificate intermediate = test::issued(test::ca_spec("CN=Issuing"), intermediate_key, root, root_key);

    [[nodiscard]] Certificate ra(const std::string& name, const std::string& usage,
                                 const std::string& purpose = cmc_ra) const {
        return test::issued(test::ra_spec("CN=" + name, usage, purpose), ra_key, intermediate, intermediate_key);
    }
};

/// Made once.
const Pki& pki();

/// What authenticate() makes of a set of which one certificate is pinned.
Result<CaSet> authenticate_at(TimePoint now, const std::vector<Certificate>& received, const Certificate& pinned);
Result<CaSet> authenticate_now(const std::vector<Certificate>& received, const Certificate& pinned);

}  // namespace hwenroll::scep::test_set
