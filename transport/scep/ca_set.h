// GetCACert: an unordered, unauthenticated set of certificates, and the roles in it once one of them is pinned.
#pragma once

#include <string>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Reads a GetCACert body by its content, not its label (CT-6): one DER certificate or a degenerate SignedData (BER
/// too). Duplicates are dropped. Errors: ca_not_scep (HTML, text, PEM), scep_structure, ca_certificate (none or too
/// many, DEG-7, BAD-32, BAD-33).
Result<std::vector<Certificate>> parse_ca_certificates(ByteView body, const ParseLimits& limits);

/// A CA set after authentication. Every certificate in it is the anchor or chains to it.
struct CaSet {
    Certificate anchor;                ///< the pinned certificate (CACERT-5)
    Certificate issuer;                ///< the CA that will issue (CACERT-9); the anchor or an intermediate below it
    Certificate recipient;             ///< requests are encrypted to it (ENV-2)
    std::vector<Certificate> signers;  ///< certificates that may sign a CertRep (SIG-12); includes `issuer`
    std::vector<Certificate>
        intermediates;  ///< CA certificates between issuer and anchor, and the issuer unless it is the anchor
    std::vector<std::string> warnings;  ///< keyUsage missing (CACERT-10), certificates dropped and why (BAD-27, BAD-28)
};

/// Authenticates a set against pinned SHA-256 fingerprints (32 octets each; one match suffices) and gives out the
/// roles. RA certificates count only by the strict default: cmcRA or Microsoft's certificate request agent purpose
/// (SIG-13). Errors: ca_fingerprint (no match; lists what was received), ca_certificate (match is no CA, BAD-26;
/// expired; weak or absurd key, BAD-35), ca_no_recipient (BAD-38).
Result<CaSet> authenticate(const std::vector<Certificate>& received, const std::vector<Bytes>& pinned, TimePoint now,
                           const ParseLimits& limits);

}  // namespace hwenroll::scep
