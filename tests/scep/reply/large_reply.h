// CertReps of nearly a mebibyte, honest and hostile, each built to be expensive in another place (SEC-11). For tests
// and benchmarks.
#pragma once

#include <string>
#include <vector>

#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::test {

struct LargeReply {
    std::string name;  ///< letters and underscores
    Bytes (*build)();

    /// At most 1 MiB, the default of max_reply_bytes. Made anew by each call.
    [[nodiscard]] Bytes body() const;
};

const std::vector<LargeReply>& large_replies();

/// What reading `body` to the accepted certificate comes to: "accepted", "refused by the CA", or the error's code.
std::string read_to_the_end(ByteView body);

}  // namespace hwenroll::test
