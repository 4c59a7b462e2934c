// Certificate revocation lists (RFC 5280 §5): read without libcrypto's CRL type, which takes many times the octets of a
// list of hundreds of thousands of entries, and judged before anything in them is believed (QRY-6).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// CRLReason (RFC 5280 §5.3.1), as far as it makes a difference here.
enum class CrlReason : std::uint8_t { unspecified = 0, certificate_hold = 6, remove_from_crl = 8 };

/// A CRL that was read. A value; owns its octets. Reading says nothing about trust: see judge_crl().
struct Crl {
    Bytes der;
    DistinguishedName issuer;
    TimePoint this_update;
    std::optional<TimePoint> next_update;
    Bytes number;             ///< cRLNumber without leading zeros, most significant octet first; empty: it has none
    std::size_t entries = 0;  ///< revoked certificates
    bool complete = true;     ///< speaks of every end entity of its issuer, whatever distribution point it names
};

/// Reads a CRL in DER, or the first one of a PEM text (label X509 CRL, as some distribution points serve it). `body` is
/// at most limits.max_message octets. Error codes: ca_too_big, crl_unusable (structure, a delta CRL, an indirect CRL, a
/// critical extension that is not understood, whether of the list or of an entry).
Result<Crl> read_crl(Bytes body, const ParseLimits& limits);

/// What a CRL must be.
struct CrlExpectation {
    Certificate issuer;  ///< the CA that issued the certificates whose state is asked for, trusted
    TimePoint now;
    LegacyPermissions legacy;
    ParseLimits limits;                    ///< clock_skew and judges_time count
    Bytes number = {};                     ///< cRLNumber of the CRL at hand; empty: none, or it has none
    std::optional<TimePoint> since = {};   ///< thisUpdate of the CRL at hand
    std::vector<std::string> points = {};  ///< CrlPoints::names of the certificate in question
};

/// Judges name, signature, algorithm, scope (§6.3.3 (b)(2)), times and number, in this order (QRY-6, RFC 5280 §6.3.3).
/// The CRL at hand itself passes. Returns what is tolerated and worth a warning. Error codes: crl_unusable,
/// scep_algorithm.
Result<std::vector<std::string>> judge_crl(const Crl& crl, const CrlExpectation& expected);

/// An entry.
struct Revocation {
    Bytes serial;  ///< as Certificate::serial()
    TimePoint date;
    std::uint8_t reason = 0;  ///< CRLReason
    /// Not for ever: the CA may take it back.
    [[nodiscard]] bool is_hold() const { return reason == static_cast<std::uint8_t>(CrlReason::certificate_hold); }
};

/// The entries of a CRL, read and judged before, for these serial numbers (as Certificate::serial()), in one pass. An
/// entry removeFromCRL means nothing in a complete list and is left out. Error code: crl_unusable, for octets that are
/// no CRL.
Result<std::vector<Revocation>> find_revocations(ByteView der, const std::vector<Bytes>& serials);

/// Takes the RAs that `is_revoked` from the certificates that may sign replies, and returns them (SIG-14, BAD-49). The
/// CA itself stays, whatever a list says of it: it is pinned, and what it signs about itself proves nothing.
std::vector<Certificate> drop_revoked_signers(CaSet& set, const std::function<bool(const Certificate&)>& is_revoked);

/// `keyCompromise` for 1 and so on; `reason 11` for what RFC 5280 does not name.
std::string reason_text(std::uint8_t reason);

/// Where a certificate says that the CRL for it is (RFC 5280 §4.2.1.13).
struct CrlPoints {
    std::vector<std::string> urls;     ///< http: and https:, in order, at most 8 (SEC-17)
    std::vector<std::string> refused;  ///< printable: other schemes, and points of an indirect CRL or of some reasons
    std::vector<std::string> names;    ///< every name of every point: an URI, or any other form as printable text
};

/// Reads the extension. A malformed one is like none.
CrlPoints crl_points(const Certificate& certificate);

/// Tells the certificates of a CA apart that one CRL need not speak of together: those that name other distribution
/// points. 32 octets; empty for a certificate that names none.
Bytes scope_of(const CrlPoints& points);

}  // namespace hwenroll::scep
