#include "tests/fuzz/next_world.h"

#include <stdexcept>

#include "tests/fuzz/recorded_key.h"

namespace hwenroll::fuzz {
namespace {

using std::chrono::days;

NextWorld make_world() {
    const SignedWorld& world = signed_world();
    const test::Key key = recorded_key("next_ca.pem");
    test::CertificateSpec spec = test::ca_spec("CN=Fuzz CA,O=Example");
    spec.serial = 101;
    spec.not_before = test::present() + days(300);
    spec.not_after = test::present() + days(3000);
    test::CertificateSpec link = spec;
    link.serial = 103;
    const auto current =
        scep::authenticate({world.authority}, {.pinned = {world.authority.fingerprint()}, .now = test::present()});
    if (!current) {
        throw std::runtime_error(current.error().line());
    }
    return {test::self_signed(spec, key),
            test::issued(link, key, world.authority, world.key),
            {.current = *current, .now = test::present()}};
}

}  // namespace

const NextWorld& next_world() {
    static const NextWorld made = make_world();
    return made;
}

}  // namespace hwenroll::fuzz
