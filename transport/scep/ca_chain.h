// Which of the received certificates stand below the pinned one (CACERT-5, CACERT-6).
#pragma once

#include <string>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// A certificate with a verified path to the anchor.
struct ChainMember {
    Certificate certificate;
    std::size_t parent = 0;  ///< index of its issuer among the members; the anchor, at index 0, is its own
    int depth = 0;           ///< steps up to the anchor
};

/// A certificate that is not used.
struct DroppedCertificate {
    Certificate certificate;
    std::string reason;
    bool signed_below_anchor = false;  ///< its issuer is a member: it belongs to this CA but is not acceptable
    bool expired = false;              ///< that is the reason
};

/// What became of a received set. Does not depend on the order in which it was received (CACERT-2).
struct CaChain {
    std::vector<ChainMember> members;  ///< anchor first, issuers before what they issued
    std::vector<DroppedCertificate> dropped;
};

/// Empty, or why `certificate` may not serve now: its validity or its key (SEC-11, BAD-35). A notBefore slightly in the
/// future is tolerated, since clocks differ.
std::string unfitness(const Certificate& certificate, TimePoint now, const ParseLimits& limits);

/// Finds every path from `received` to `anchor`, by signature among issuers of the right name (BAD-30), and has
/// libcrypto judge each. SHA-1 signatures pass with `legacy.sha1_reply`, since a CA that signs its replies so mostly
/// signs its RA certificates so too. Error code: ca_certificate, when the set takes more than 100 trials of signatures
/// (BAD-31).
Result<CaChain> chain_to_anchor(const Certificate& anchor, const std::vector<Certificate>& received, TimePoint now,
                                const ParseLimits& limits, const LegacyPermissions& legacy);

/// `'CN=…' (SHA256:…)`, for messages.
std::string identify(const Certificate& certificate);

}  // namespace hwenroll::scep
