// GetCACert: an unauthenticated set, then its roles under a pin.
#include <algorithm>

#include "tests/fuzz/captured_world.h"
#include "tests/fuzz/oracle.h"
#include "transport/scep/ca_set.h"

using namespace hwenroll;

namespace {

bool has(const std::vector<Certificate>& set, const Certificate& certificate) {
    return std::ranges::find(set, certificate) != set.end();
}

/// All certificates with a role.
std::vector<Certificate> in_use(const scep::CaSet& set) {
    std::vector<Certificate> all = set.signers;
    all.insert(all.end(), set.intermediates.begin(), set.intermediates.end());
    all.insert(all.end(), {set.anchor, set.issuer, set.recipient});
    return all;
}

/// Under the pin of a recorded CA nothing but that CA's own certificates can get a role, whatever came along.
void under_a_recorded_pin(const std::vector<Certificate>& received) {
    const auto& known = fuzz::captured_authorities();
    std::vector<Bytes> pins;
    std::ranges::transform(known, std::back_inserter(pins), &Certificate::fingerprint);
    const auto set = scep::authenticate(received, {.pinned = pins, .now = test::capture_time()});
    if (!set) {
        fuzz::require(!set.error().line().empty(), "an error has a text");
        return;
    }
    for (const Certificate& certificate : in_use(*set)) {
        fuzz::require(has(known, certificate), "roles go to certificates below the pin (CACERT-5)");
    }
}

/// A set that is its sender's own, to come past the pin.
void under_its_own_pin(const std::vector<Certificate>& received) {
    for (std::size_t i = 0; i < std::min<std::size_t>(received.size(), 2); ++i) {
        const auto set =
            scep::authenticate(received, {.pinned = {received[i].fingerprint()}, .now = test::capture_time()});
        if (!set) {
            continue;
        }
        fuzz::require(set->anchor == received[i], "the anchor is the pinned certificate (CACERT-5)");
        fuzz::require(set->issuer.is_ca(), "the issuer is a CA (CACERT-9)");
        fuzz::require(set->recipient.public_key().is_rsa(), "the recipient has an RSA key (ENV-2)");
        fuzz::require(has(set->signers, set->issuer), "the issuer may sign (SIG-12)");
        for (const Certificate& certificate : in_use(*set)) {
            fuzz::require(has(received, certificate), "roles go to received certificates");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto received = scep::parse_ca_certificates(ByteView(data, size), {});
    if (!received) {
        fuzz::require(!received.error().line().empty(), "an error has a text");
        return 0;
    }
    fuzz::require(!received->empty() && received->size() <= scep::ParseLimits().max_certificates,
                  "one to 64 certificates (DEG-7, BAD-32)");
    under_a_recorded_pin(*received);
    under_its_own_pin(*received);
    return 0;
}
