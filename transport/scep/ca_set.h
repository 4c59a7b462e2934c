// GetCACert: an unordered, unauthenticated set of certificates, and the roles in it once one of them is pinned.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Reads a GetCACert body by its content, not its label (CT-6): one DER certificate or a degenerate SignedData (BER
/// too). Duplicates are dropped. Errors: ca_not_scep (HTML, text, PEM), scep_structure, ca_certificate (none or too
/// many, DEG-7, BAD-32, BAD-33).
Result<std::vector<Certificate>> parse_ca_certificates(ByteView body, const ParseLimits& limits);

/// An end entity's certificate that the CA issued and sent, and that has no role: whoever signs with it is told apart
/// from a stranger, and nothing more.
struct UnusedCertificate {
    Certificate certificate;
    std::string reason;  ///< why it has none
    std::string advice;  ///< what an operator may do
};

/// A CA set after authentication. Every certificate in it is the anchor or chains to it.
struct CaSet {
    Certificate anchor;     ///< the pinned certificate (CACERT-5)
    Certificate issuer;     ///< the CA that will issue (CACERT-9); the anchor or an intermediate below it
    Certificate recipient;  ///< requests are encrypted to it (ENV-2); with another key than an RSA key it is the
                            ///< issuer's, and they are encrypted under the challenge (CaExpectation::by_password)
    std::vector<Certificate> signers;        ///< certificates that may sign a CertRep (SIG-12); includes `issuer`
    std::vector<Certificate> intermediates;  ///< CA certificates between issuer and anchor, and the issuer unless it is
                                             ///< the anchor; then their older ones
    std::vector<std::string>
        warnings;  ///< keyUsage missing (CACERT-10); in one line the unused and why (BAD-27, BAD-28)
    std::vector<UnusedCertificate> unused{};
    std::vector<Certificate> revoked{};  ///< RAs that CaExpectation::is_revoked; they have no role
};

/// Which certificates that are no CA's count as RAs of the issuing CA (SIG-13). They receive challenges and sign
/// replies, so an attacker who can add a certificate to a set must not be able to add one that counts (SEC-4).
struct RaRule {
    enum class Kind : std::uint8_t {
        eku,           ///< with the purpose cmcRA or Microsoft's certificate request agent
        pinned,        ///< with one of `fingerprints`, whatever its purposes
        issued_by_ca,  ///< any: whoever holds a certificate of the CA can pose as its RA
    } kind = Kind::eku;
    std::vector<Bytes> fingerprints;  ///< SHA-256, 32 octets each; for `pinned`
    friend bool operator==(const RaRule&, const RaRule&) = default;
};

/// What a received set must match.
struct CaExpectation {
    std::vector<Bytes> pinned;  ///< SHA-256 of acceptable anchors, 32 octets each; one match suffices
    TimePoint now;
    ParseLimits limits{};
    RaRule ras{};
    LegacyPermissions legacy{};  ///< `sha1_reply` lets certificates below the anchor be signed with SHA-1
    bool by_password = false;    ///< requests may be encrypted under the challenge: a set without an RSA key will do
    /// What is known of RAs (SIG-14, BAD-49). Empty: nothing. The CA itself is not asked about: it is pinned, and what
    /// it signs about itself proves nothing.
    std::function<bool(const Certificate&)> is_revoked = {};
};

/// Authenticates a set and gives out the roles. An RA counts only when the issuing CA itself issued it, or,
/// when it is pinned, a CA on the issuing CA's path. Errors:
/// ca_fingerprint (no match; lists what was received), ca_certificate (match is no CA, BAD-26; expired; weak or absurd
/// key, BAD-35; RAs, and CAs beside theirs, so that nothing tells which of these issues; no pinned RA that can be
/// used; the RA that requests would be encrypted to has expired, C15, or is revoked and has no good one beside it,
/// SEC-3), ca_no_recipient (BAD-38).
Result<CaSet> authenticate(const std::vector<Certificate>& received, const CaExpectation& expected);

}  // namespace hwenroll::scep
