// Challenge passwords that work once and for a while, as those of NDES do (SRV-6, Q-NDES-6).
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "tests/lab_ca/outcome.h"

namespace hwenroll::lab_ca {

/// Gives them out and takes them back. They are forgotten when the CA ends. Used by one thread.
class OneTimeChallenges {
 public:
    explicit OneTimeChallenges(Seconds lifetime) : lifetime_(lifetime) {}

    /// A new one: 16 random octets in upper-case hexadecimal. Error code: crypto.
    Result<std::string> issue(TimePoint now);

    /// Uses one up. badRequest when it was never given out, was used before or has expired.
    Outcome<void> use(const Secret& challenge, TimePoint now);

 private:
    struct Given {
        TimePoint until;
        bool used = false;
    };

    Seconds lifetime_;
    std::map<std::string, Given, std::less<>> given_;
};

}  // namespace hwenroll::lab_ca
