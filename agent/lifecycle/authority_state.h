// The durable state of one CA and its own machine: untrusted → trusted → next_known → switched (design, "State
// machine").
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {

/// The numbers are stored and never reused.
enum class AuthorityPhase : std::uint8_t {
    untrusted = 1,   ///< first trust comes from a configured fingerprint only (invariant 10)
    trusted = 2,     ///< `current` is pinned by the configuration
    next_known = 3,  ///< `next` is authenticated and waits for its time
    switched = 4,    ///< `current` was a `next`; it counts while the configuration is unchanged
};

/// One authenticated set of the CA's certificates, by value.
struct AuthorityRecord {
    std::uint64_t generation = 0;     ///< rises with every change of the certificates
    std::string capabilities;         ///< scep::to_text(Capabilities); empty of a successor
    std::vector<Bytes> certificates;  ///< DER, as received; roles are worked out again from them
    Bytes anchor_fingerprint;         ///< SHA-256 of the certificate that is the anchor
    TimePoint fetched_at;             ///< the epoch once it is doubted
    Bytes anchor = {};                ///< DER of that certificate
    TimePoint not_before = {};        ///< of the CA that issues
    TimePoint not_after = {};
    friend bool operator==(const AuthorityRecord&, const AuthorityRecord&) = default;
};

/// An anchor that the CA left by a rollover.
struct LeftAnchor {
    Bytes anchor;       ///< DER
    Bytes fingerprint;  ///< SHA-256
    TimePoint not_after;
    friend bool operator==(const LeftAnchor&, const LeftAnchor&) = default;
};

struct AuthorityState {
    AuthorityPhase phase = AuthorityPhase::untrusted;
    std::optional<AuthorityRecord> current;
    std::optional<FailureRecord> failure;
    std::optional<TimePoint> not_before;  ///< Retry-After of the failure; stored with each identity (Wait::retry_after)
    std::optional<AuthorityRecord> next;
    std::uint64_t last_generation = 0;  ///< generations are never reused
    std::vector<Bytes> pins_at_switch;  ///< the configuration's pins when `current` came by a rollover; empty otherwise
    std::vector<LeftAnchor> left;       ///< oldest first, at most 4
    std::optional<AuthorityRecord> candidate;  ///< a verified successor that an operator has not accepted: not trusted
    std::optional<TimePoint> candidate_told_at;  ///< the last alert about it
    TimePoint sought_at;                         ///< when the CA was last asked for its successor
    std::optional<Error> seek_failure;           ///< not stored: why the last search found nothing
    friend bool operator==(const AuthorityState& a, const AuthorityState& b) {
        return a.phase == b.phase && a.current == b.current && a.failure == b.failure && a.not_before == b.not_before &&
               a.next == b.next && a.last_generation == b.last_generation && a.pins_at_switch == b.pins_at_switch &&
               a.left == b.left && a.sought_at == b.sought_at && a.candidate == b.candidate &&
               a.candidate_told_at == b.candidate_told_at;
    }
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
/// Time has passed, or the agent has started: a switch may be due, and a search for the successor.
struct AuthorityTick {};
/// An identity can only be renewed by the successor (REN-1): it is looked for now.
struct SuccessorNeeded {};
/// GetNextCACert was answered, and the answer passed every check of ROLL-5 to ROLL-8.
struct SuccessorFetched {
    AuthorityRecord record;
};
/// It was not: there is none yet, or it cannot be believed (ROLL-4).
struct SuccessorMissing {
    Error error;
};
/// GetCACert shows the stored successor, and not the current CA any more (ROLL-17).
struct SuccessorInOffice {
    AuthorityRecord record;
};
/// An operator has said that the successor that waits for that is the right one.
struct SuccessorAccepted {};
using AuthorityEvent =
    std::variant<AuthorityNeeded, AuthorityFetched, AuthorityFailed, AuthorityDoubted, AuthorityTick, SuccessorNeeded,
                 SuccessorFetched, SuccessorMissing, SuccessorInOffice, SuccessorAccepted>;

struct AuthorityPolicy {
    std::vector<Bytes> pinned;             ///< SHA-256 fingerprints of the configuration
    Seconds capabilities_lifetime{86400};  ///< CAPS-1
    bool announces_successor = false;      ///< the CA's capabilities hold GetNextCACert (CAPS-12)
    bool clock_trusted = true;             ///< otherwise nothing is switched or taken away (K1)
    bool operator_accepts = false;         ///< a successor is a candidate until an operator accepts it (ROLL-8)
};

struct AuthorityTransition {
    AuthorityState state;
    bool fetch = false;                  ///< ask the CA before anything else
    std::optional<Seconds> refused_for;  ///< the CA wants to be asked, but not so soon (HTTP-28)
    bool seek = false;                   ///< ask it for its successor
    std::string note;
    bool alert = false;  ///< people are to be told of the candidate (invariant 11); see candidate_text()
};

/// Total and pure.
AuthorityTransition step(const AuthorityState& state, const AuthorityEvent& event, const AuthorityPolicy& policy,
                         TimePoint now);

/// A CA that this one took the place of, though its end has not come: a clock was ahead (K10). GetCACert may lead back
/// to it as if its fingerprint were configured. Nothing is while the clock is not trusted.
bool may_return_to(const AuthorityState& state, const Bytes& anchor_fingerprint, const AuthorityPolicy& policy,
                   TimePoint now);

/// What people are told of a successor that waits for an operator; empty when none does.
std::string candidate_text(const AuthorityState& state, const std::string& authority);

/// What the identities of this CA are told of it.
AuthorityFacts facts_of(const AuthorityState& state, TimePoint now);

/// The earliest time at which AuthorityTick may lead to something.
std::optional<TimePoint> next_due(const AuthorityState& state, const AuthorityPolicy& policy);

}  // namespace hwenroll::lifecycle
