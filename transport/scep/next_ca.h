// GetNextCACert: the CA that will take over, vouched for by the one in force (RFC 8894 §4.7).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/scep/ca_set.h"

namespace hwenroll::scep {

/// Content-Type of the reply (CT-3). The body is judged by its content, whatever its label (CT-6, BAD-134).
inline constexpr std::string_view next_ca_content_type = "application/x-x509-next-ca-cert";

/// What lets the next CA take the place of the pinned one (ROLL-8). The signature of the CA in force must be good under
/// every rule (ROLL-5).
enum class RolloverRule : std::uint8_t {
    signature,    ///< that signature
    fingerprint,  ///< and a configured fingerprint
    operator_,    ///< and an operator's acceptance
};

/// A CA certificate that was in use before this generation (ROLL-8).
struct UsedCa {
    Bytes fingerprint;                     ///< SHA-256, 32 octets; it never comes back
    std::optional<TimePoint> not_after{};  ///< of an issuing CA: the next one ends later. None for an anchor above one
};

/// What a GetNextCACert reply must match.
struct NextCaExpectation {
    CaSet current;  ///< in force; always counts as used
    TimePoint now;
    RolloverRule rule = RolloverRule::signature;
    std::vector<Bytes> fingerprints{};  ///< SHA-256 of acceptable next CAs, 32 octets each; preferred in this order
    std::vector<UsedCa> used{};         ///< earlier generations
    bool ra_may_sign = false;           ///< an RA of `current` may name the next trust anchor (ROLL-5)
    ParseLimits limits{};
    RaRule ras{};  ///< which certificates of the next set are its RAs
    LegacyPermissions legacy{};
    bool by_password = false;  ///< CaExpectation::by_password
};

/// The next CA, verified.
struct NextCa {
    CaSet set;                          ///< roles among the next CA's certificates only (ROLL-9)
    std::vector<Bytes> certificates;    ///< DER, to be stored: restore_next_ca() makes `set` of them again
    bool needs_acceptance = false;      ///< RolloverRule::operator_: must not be used before an operator accepted it
    std::vector<std::string> warnings;  ///< of the message and of ROLL-7; those about the roles are in `set`
};

/// Reads and verifies a reply: body, structure, signer, signature, then the certificates in the signed content, and
/// never those beside it (BAD-127). Without signed content the certificates beside it count only if nothing depends on
/// their place (ROLL-6): the next CA's fingerprint is configured, or a link certificate, which is one of the same name
/// signed by the CA in force, vouches for its key. (A CA certificate of another name that this CA signed may be
/// anybody's subordinate CA.) The next trust anchor is, in this order, a certificate with a configured fingerprint; the
/// one new root; the present anchor, if the new CA chains to it and it outlives the issuing CA in force; the one new CA
/// at the top. A next CA may become valid in the future; its certificates are judged for the time when they all are.
/// Errors: those of read_cert_rep() for the message; scep_inner (the signed content is no set of certificates);
/// ca_no_next (no CA certificate but those in force, ROLL-4, BAD-129); ca_next (ROLL-6, ROLL-7, ROLL-8);
/// ca_no_recipient (BAD-38).
Result<NextCa> read_next_ca(ByteView body, const NextCaExpectation& expected);

/// Makes NextCa::set of stored certificates again; after the switch too. `expected.pinned` is the fingerprint of its
/// anchor, `expected.now` the present. Errors: scep_structure for what is no certificate; those of authenticate().
Result<CaSet> restore_next_ca(const std::vector<Bytes>& certificates, CaExpectation expected);

}  // namespace hwenroll::scep
