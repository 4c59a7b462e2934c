#include "tests/scep/request/ca_set_pki.h"

namespace hwenroll::scep::test_set {

std::string fingerprint_text(const Certificate& certificate) {
    return "SHA256:" + to_hex(certificate.fingerprint(), ':');
}

const Pki& pki() {
    static const Pki value;
    return value;
}

Result<CaSet> authenticate_at(TimePoint now, const std::vector<Certificate>& received, const Certificate& pinned) {
    return authenticate(received, {{pinned.fingerprint()}, now});
}

Result<CaSet> authenticate_now(const std::vector<Certificate>& received, const Certificate& pinned) {
    return authenticate_at(test::present(), received, pinned);
}

}  // namespace hwenroll::scep::test_set
