// The durable state of one identity: everything that step() decides by. Stored in one transaction per transition.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::lifecycle {

/// Settled phases: facts, not wishes. The numbers are stored and never reused (design, "State machine").
enum class Phase : std::uint8_t {
    unenrolled = 1,    ///< nothing is committed
    need_key = 2,      ///< a key id is committed; a key may or may not exist under it
    need_submit = 3,   ///< the key exists; the request is not answered yet
    pending = 4,       ///< the CA decides; polled with the same transaction_id
    need_publish = 5,  ///< an accepted certificate is stored; consumers do not see it yet
    valid = 6,         ///< published
    held = 7,          ///< waits for an event of its hold's list, with a slow retry
};

/// What an identity waits for; a field of its own beside the phase.
enum class WaitingFor : std::uint8_t {
    nothing = 0,
    timer = 1,
    token = 2,
    pin = 3,
    network = 4,
    ca = 5,
    operator_ = 6,
    clock = 7,
};

/// Why an identity is held: a closed list. The numbers are stored and never reused.
enum class HoldReason : std::uint8_t {
    rejected = 1,     ///< the CA refused; released by a changed configuration or challenge source, or after a day
    message_cap = 2,  ///< invariant 5: 48 messages since the last success; released after a day, one message a day
    key_refused = 3,  ///< the token made a key that could leave it (T21); released by a changed configuration or a day
};

/// The key of an enrollment. `spki` is empty until the key is known to exist.
struct KeyRecord {
    Bytes id;  ///< CKA_ID: 16 octets, committed before generation; 1 to 64 of an adopted key
    Bytes spki;
    bool adopted = false;  ///< it was on the token before and is somebody else's: never destroyed
    friend bool operator==(const KeyRecord&, const KeyRecord&) = default;
};

/// A request as it is committed before its first send: never the CSR, never the challenge (design, "Re-sending").
struct Transaction {
    scep::TransactionId id;
    scep::MessageType type = scep::MessageType::pkcs_req;
    Bytes envelope;            ///< EnvelopedData DER, encrypted for `recipient`
    Bytes signer_certificate;  ///< DER; replies are addressed to it
    Bytes subject;             ///< DER Name of the request, for CertPoll (MSG-22)
    Bytes recipient;           ///< SHA-256 of the certificate that the envelope is for
    std::uint64_t authority_generation = 0;
    scep::Digest digest = scep::Digest::sha256;
    scep::ContentCipher cipher = scep::ContentCipher::aes128;
    Bytes configuration_mark;  ///< Policy::configuration_mark when it was prepared
    TimePoint prepared_at;
    scep::Nonce nonce;        ///< senderNonce of the send under way or last sent
    std::uint32_t sends = 0;  ///< messages 17 and 19 of this transaction
    std::uint32_t polls = 0;  ///< CertPolls of this transaction
    bool pending = false;     ///< the CA answered PENDING
    friend bool operator==(const Transaction&, const Transaction&) = default;
};

/// What is kept of a request that the CA refused and that may have been made for a CA that is no more, until the CA has
/// been asked again (FI-1, ALG-12).
struct RefusedRequest {
    Bytes recipient;  ///< SHA-256 of the certificate that its envelope was for
    scep::Digest digest = scep::Digest::sha256;
    scep::ContentCipher cipher = scep::ContentCipher::aes128;
    Bytes configuration_mark;  ///< Transaction::configuration_mark of the request
    friend bool operator==(const RefusedRequest&, const RefusedRequest&) = default;
};

/// An accepted certificate.
struct IssuedRecord {
    Bytes leaf;                  ///< DER
    std::vector<Bytes> chain;    ///< DER, leaf's issuer first, anchors left out
    std::vector<Bytes> anchors;  ///< DER, of the CA that it was accepted under; at least one
    TimePoint not_before;
    TimePoint not_after;
    friend bool operator==(const IssuedRecord&, const IssuedRecord&) = default;
};

/// One way to a certificate: key, then transaction, then certificate, each present once it is committed.
struct Enrollment {
    KeyRecord key;
    Bytes request_mark;  ///< Policy::request_mark that key and transaction were made under
    std::optional<Transaction> transaction;
    std::optional<IssuedRecord> issued;
    std::optional<RefusedRequest> refused = {};  ///< the CA is asked again before anything else; no transaction is open
    bool retried_for_authority = false;  ///< FI-1's one new request was begun: the next refusal holds. Forgotten with
                                         ///< PENDING, a certificate, a released hold or another configuration
    friend bool operator==(const Enrollment&, const Enrollment&) = default;
};

/// What consumers see.
struct Credential {
    KeyRecord key;
    IssuedRecord issued;
    std::uint64_t generation = 0;
    TimePoint published_at;
    friend bool operator==(const Credential&, const Credential&) = default;
};

/// The CA asked for no request before `until` (HTTP-28). Unlike a backoff it outlives the process.
struct RetryAfter {
    TimePoint until;
    Bytes configuration_mark;  ///< Policy::configuration_mark when it did: under another one it is asked at once
    friend bool operator==(const RetryAfter&, const RetryAfter&) = default;
};

struct Wait {
    WaitingFor reason = WaitingFor::nothing;
    TimePoint until;                             ///< meaningful unless the reason is nothing
    std::optional<RetryAfter> retry_after = {};  ///< no later than `until`
    friend bool operator==(const Wait&, const Wait&) = default;
};

struct Hold {
    HoldReason reason = HoldReason::rejected;
    Bytes configuration_mark;  ///< Policy::configuration_mark when the hold began
    friend bool operator==(const Hold&, const Hold&) = default;
};

/// The last failure, kept until the next success, for `status`.
struct FailureRecord {
    ErrorCode code = ErrorCode::internal;
    std::string line;  ///< Error::line(): printable, no secret
    TimePoint at;
    friend bool operator==(const FailureRecord&, const FailureRecord&) = default;
};

/// Invariant 5 and backoff, counted from one success to the next.
struct Counters {
    std::uint32_t failures = 0;      ///< consecutive
    std::uint32_t messages = 0;      ///< 17 and 19 answered with HTTP 200
    std::uint32_t certificates = 0;  ///< certificates that the CA issued
    friend bool operator==(const Counters&, const Counters&) = default;
};

struct IdentityState {
    Phase phase = Phase::unenrolled;
    std::optional<Enrollment> enrollment;  ///< of the phases need_key … need_publish, and what a hold resumes
    std::optional<Credential> current;
    Wait wait;
    std::optional<Hold> hold;
    std::optional<FailureRecord> failure;
    Counters counters;
    std::uint64_t last_generation = 0;  ///< generation numbers are never reused
    friend bool operator==(const IdentityState&, const IdentityState&) = default;
};

/// The phase that an enrollment's contents imply: what a hold goes back to and what the store checks.
Phase phase_of(const std::optional<Enrollment>& enrollment);

}  // namespace hwenroll::lifecycle
