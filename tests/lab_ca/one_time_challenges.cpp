#include "tests/lab_ca/one_time_challenges.h"

#include <array>

#include <openssl/rand.h>

#include "base/openssl_ptr.h"

namespace hwenroll::lab_ca {

Result<std::string> OneTimeChallenges::issue(TimePoint now) {
    std::array<std::uint8_t, 16> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
        return fail(openssl_error("cannot draw a challenge"));
    }
    std::string challenge = to_hex(random);
    given_.emplace(challenge, Given{now + lifetime_});
    return challenge;
}

Outcome<void> OneTimeChallenges::use(const Secret& challenge, TimePoint now) {
    const auto found = given_.find(as_text(challenge.reveal()));
    if (found == given_.end()) {
        return reject(FailInfo::bad_request, "the challengePassword is wrong");
    }
    if (found->second.used) {
        return reject(FailInfo::bad_request, "the challengePassword was used before");
    }
    if (now >= found->second.until) {
        return reject(FailInfo::bad_request, "the challengePassword has expired");
    }
    found->second.used = true;
    return {};
}

}  // namespace hwenroll::lab_ca
