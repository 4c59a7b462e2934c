// The durable state of one identity: everything that step() decides by. Stored in one transaction per transition.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/lifecycle/rare.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::lifecycle {

/// Settled phases: facts, not wishes. The numbers are stored and never reused (design, "State machine"). A valid
/// identity may have an attempt beside it, which passes the phases need_key to need_publish, or is held, on its own:
/// attempt_phase().
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
    cancelled = 4,    ///< an operator ended the attempt (O7); released by an operator, a changed configuration or a day
};

/// What an enrollment is for. The numbers are stored and never reused.
enum class Purpose : std::uint8_t {
    first = 1,         ///< the identity has no certificate
    renewal = 2,       ///< signed by the current key, while the current certificate lives (REN-3)
    shadow = 3,        ///< a certificate of the CA's successor, signed by the current key (ROLL-9, ROLL-10)
    reenrollment = 4,  ///< as the first one, since the current certificate can sign no more (SM-14, SM-18, ROLL-17)
};

/// The key of an enrollment. `spki` is empty until the key is known to exist.
struct KeyRecord {
    Bytes id;  ///< CKA_ID: 16 octets, committed before generation; 1 to 64 of an adopted key
    Bytes spki;
    bool adopted = false;    ///< it was on the token before and is somebody else's: never destroyed
    std::string pem = {};    ///< the key itself as its token has wrapped it, where the token does not keep it (a TPM)
    std::string token = {};  ///< name of the [token.*] section that it was made on; empty: the identity's own
    std::string uri = {};    ///< how other programs name it where `id` does not say it: `handle:0x81000010` of a TPM
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
    std::optional<KeyRecord> signer_key = {};  ///< of `signer_certificate` where that is not the enrollment's own key;
                                               ///< replies are encrypted to it (REN-3, SIG-4)
    std::vector<Bytes> signer_chain = {};      ///< DER; goes with a manufacturer's `signer_certificate` (SIG-5)
    Bytes signer_mark = {};    ///< Policy::signer_mark that a manufacturer's key signed under; else empty
    Bytes configuration_mark;  ///< Policy::configuration_mark when it was prepared
    TimePoint prepared_at;
    scep::Nonce nonce;        ///< senderNonce of the send under way or last sent
    std::uint32_t sends = 0;  ///< messages 17 and 19 of this transaction
    std::uint32_t polls = 0;  ///< CertPolls of this transaction
    bool pending = false;     ///< the CA answered PENDING
    std::uint32_t recovery =
        0;  ///< which step of Policy::resync takes up an unanswered request, from 1 on; 0: none yet
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
    /// By the distribution points that the leaf names, scep::scope_of(): which of its CA's CRLs speaks of it; empty: it
    /// names none. Not stored: whoever reads the rest from state.db and needs it reads it from the leaf.
    Bytes crl_scope = {};
    friend bool operator==(const IssuedRecord&, const IssuedRecord&) = default;
};

/// One way to a certificate: key, then transaction, each present once it is committed.
struct Enrollment {
    KeyRecord key;
    Bytes request_mark;  ///< Policy::request_mark that key and transaction were made under
    std::optional<Transaction> transaction;
    std::optional<RefusedRequest> refused = {};  ///< the CA is asked again before anything else; no transaction is open
    bool retried_for_authority = false;  ///< FI-1's one new request was begun: the next refusal holds. Forgotten with
                                         ///< PENDING, a certificate, a released hold or another configuration
    Purpose purpose = Purpose::first;
    Bytes authority = {};    ///< shadow: DER of the successor's anchor
    bool forced = false;     ///< an operator asked for it: a certificate that ends no later is progress too
    bool restarted = false;  ///< the one new request after a lost reply or a lost poll was begun (RT-3, FI-4)
    /// An RSA key beside an EC `key`: it signs the request and opens the reply (ENV-14, Policy::envelope_key), and goes
    /// with the enrollment. There once its id is committed; its `spki` is empty until it is known to exist.
    std::optional<KeyRecord> envelope_key = {};
    friend bool operator==(const Enrollment&, const Enrollment&) = default;
};

/// A key and its certificate.
struct Credential {
    KeyRecord key;
    IssuedRecord issued;
    std::uint64_t generation = 0;  ///< that it is published under; 0 of a shadow
    TimePoint published_at;
    std::uint32_t jitter = 0;  ///< drawn once: how much earlier than its renewal point it is renewed, of 2^32
    Bytes name_mark = {};      ///< Policy::name_mark that it was asked for under; empty: any
    Bytes content_mark = {};   ///< Policy::content_mark, likewise
    Bytes crl = {};            ///< SHA-256 of the CRL that is published with it; empty: none
    friend bool operator==(const Credential&, const Credential&) = default;
};

/// The certificate that the CA's successor issued, kept until the switch (ROLL-14).
struct Shadow {
    Credential credential;
    Bytes authority;  ///< DER of the successor's anchor
    friend bool operator==(const Shadow&, const Shadow&) = default;
};

/// That consumers were told in vain: from the first failure on until they were told, whatever is published in between.
struct DeliveryFailure {
    ErrorCode code = ErrorCode::internal;
    std::string line;  ///< Error::line() of the last one: printable, no secret
    TimePoint since;   ///< of the first one
    std::uint32_t attempts = 0;
    friend bool operator==(const DeliveryFailure&, const DeliveryFailure&) = default;
};

/// What consumers are still to be told: hooks and checks of the published generation (X8 to X10).
struct Delivery {
    std::uint64_t generation = 0;
    std::uint32_t failures = 0;  ///< of this generation
    TimePoint next_try;
    std::optional<TimePoint> confirmed = {};  ///< confirmed_end() before this generation
    std::optional<DeliveryFailure> failure = {};
    friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// A key that is not needed any more and is still on the token.
struct RetiredKey {
    KeyRecord key;
    std::optional<TimePoint> destroy_at;  ///< nothing: its successor is not confirmed yet
    std::uint32_t failures = 0;
    friend bool operator==(const RetiredKey&, const RetiredKey&) = default;
};

/// What an operator has asked for and what has not begun yet.
enum class Wish : std::uint8_t {
    nothing = 0,
    renew = 1,   ///< now, as the configuration says
    rekey = 2,   ///< now, with a new key whatever `new_key` says
    enroll = 3,  ///< now, with a challenge, as if there were no certificate
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
    Phase phase = Phase::unenrolled;    ///< overall_phase() of the rest
    Rare<Enrollment> enrollment;        ///< the attempt under way, and what a hold resumes
    Rare<Credential> next;              ///< to be published, under its generation
    TimePoint publish_after;            ///< `next` is tried no earlier
    std::optional<Credential> current;  ///< what consumers see
    Rare<Shadow> shadow;
    Wait wait;                 ///< of the attempt, or of the publication where there is no attempt
    std::optional<Hold> hold;  ///< of the attempt
    std::optional<FailureRecord> failure;
    Counters counters;
    std::uint64_t last_generation = 0;  ///< generation numbers are never reused
    Rare<Delivery> delivery;
    std::vector<RetiredKey> retired;
    Wish wish = Wish::nothing;
    bool revoked = false;       ///< the current certificate is (SM-18)
    bool unproved = false;      ///< a power failure may undo the switch to the current certificate: no fsync behind it
                                ///< is known. What it has replaced is not confirmed, and keeps its key
    Bytes renewal_req_refused;  ///< Policy::configuration_mark under which the CA refused a RenewalReq (REN-6)
    TimePoint seek_after;  ///< no earlier is the CA's successor asked for (ROLL-4), or, over the cap, for something
                           ///< that comes before `next`
    std::optional<TimePoint> alerted_at;  ///< the last alert since the last success (invariant 11)
    friend bool operator==(const IdentityState&, const IdentityState&) = default;
};

/// The phase that an enrollment's contents imply: what a hold goes back to.
Phase phase_of(const Rare<Enrollment>& enrollment);

/// The phase of what is under way: held, the enrollment's, need_publish; else valid or unenrolled.
Phase attempt_phase(const IdentityState& state);

/// valid once anything is published, else attempt_phase().
Phase overall_phase(const IdentityState& state);

/// notAfter of the certificate that consumers were last told of with success, or of the current one where none are to
/// be told; nothing while there was no such certificate.
std::optional<TimePoint> confirmed_end(const IdentityState& state);

/// How often consumers were told in vain since they were last told with success.
std::uint32_t delivery_failures(const IdentityState& state);

/// True when the current generation's consumers were told in vain and are told again later than `now`.
bool is_undelivered(const IdentityState& state, TimePoint now);

}  // namespace hwenroll::lifecycle
