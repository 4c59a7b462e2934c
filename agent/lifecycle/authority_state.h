// The durable state of one CA and its own small machine (design: untrusted → trusted; rollover states follow).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/lifecycle/identity_state.h"

namespace hwenroll::lifecycle {

/// The numbers are stored and never reused.
enum class AuthorityPhase : std::uint8_t { untrusted = 1, trusted = 2 };

/// One authenticated answer of the CA, by value. Kept while any transaction refers to its generation.
struct AuthorityRecord {
    std::uint64_t generation = 0;     ///< rises with every change of the certificates
    std::string capabilities;         ///< scep::to_text(Capabilities)
    std::vector<Bytes> certificates;  ///< DER, as received; roles are worked out again from them
    Bytes anchor_fingerprint;         ///< SHA-256 of the certificate that the configuration pinned
    TimePoint fetched_at;             ///< the epoch once it is doubted
    friend bool operator==(const AuthorityRecord&, const AuthorityRecord&) = default;
};

struct AuthorityState {
    AuthorityPhase phase = AuthorityPhase::untrusted;
    std::optional<AuthorityRecord> current;
    std::optional<FailureRecord> failure;
    std::optional<TimePoint> not_before;  ///< Retry-After of the failure; stored with each identity (Wait::retry_after)
    friend bool operator==(const AuthorityState&, const AuthorityState&) = default;
};

/// Somebody is about to send a request to this CA.
struct AuthorityNeeded {};
/// GetCACaps and GetCACert were answered, and the set passed authentication.
struct AuthorityFetched {
    AuthorityRecord record;  ///< its generation is set by the machine
};
/// They were not, or it did not.
struct AuthorityFailed {
    Error error;
};
/// An answer of the CA suggests that what is known of it is out of date: one fetch before the next request, whatever
/// comes of it (CAPS-1, CACERT-11, FI-1, ALG-12).
struct AuthorityDoubted {};
using AuthorityEvent = std::variant<AuthorityNeeded, AuthorityFetched, AuthorityFailed, AuthorityDoubted>;

struct AuthorityPolicy {
    std::vector<Bytes> pinned;             ///< SHA-256 fingerprints of the configuration
    Seconds capabilities_lifetime{86400};  ///< CAPS-1
};

struct AuthorityTransition {
    AuthorityState state;
    bool fetch = false;                  ///< ask the CA before anything else
    std::optional<Seconds> refused_for;  ///< the CA wants to be asked, but not so soon (HTTP-28)
    std::string note;
};

/// Total and pure.
AuthorityTransition step(const AuthorityState& state, const AuthorityEvent& event, const AuthorityPolicy& policy,
                         TimePoint now);

}  // namespace hwenroll::lifecycle
