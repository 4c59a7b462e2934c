// The decision: what to remember and what to do next. Pure: no I/O, no clock, no randomness (house rules 1 to 3).
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "agent/lifecycle/schedule.h"

namespace hwenroll::lifecycle {

/// Random octets drawn by the runtime for one event. A decision that uses them stores them.
struct Draw {
    std::array<std::uint8_t, 16> identifier{};  ///< becomes a CKA_ID or a transaction_id
    std::array<std::uint8_t, 16> nonce{};       ///< becomes a senderNonce
    std::uint32_t fraction = 0;  ///< spreads a backoff over [step/2, step], and a renewal: fraction / 2^32
};

/// The process started, or `--once` runs: re-issue what the phase needs, whatever a backoff says. A poll stays at its
/// time, a hold stays until it is released, and what the CA asked for by Retry-After is granted (HTTP-28).
struct Started {
    std::uint64_t highest_generation = 0;  ///< the highest number in the identity's directory and its link
    std::uint64_t current_generation = 0;  ///< where consumers are led to; 0: nowhere
    bool shown = true;       ///< consumers see the certificate and key that the state says they should, undamaged
    bool fresh = true;       ///< the process is; otherwise it only looked at what consumers see (F6)
    bool next_seen = false;  ///< consumers are led to the certificate of `next` already, which is another one than the
                             ///< current one: a process was killed behind the switch. `shown` says whether it is whole
    bool current_seen = true;  ///< beside another `next`: consumers are led to the current certificate, undamaged
};
/// The time of state.wait has come.
struct Due {};
/// A private key with these octets as SubjectPublicKeyInfo exists on the token under the committed id, or under
/// `adopted_id` when the configuration names an existing key.
struct KeyReady {
    Bytes spki;
    Bytes adopted_id = {};
    std::string pem = {};    ///< KeyRecord::pem
    std::string token = {};  ///< KeyRecord::token
    std::string uri = {};    ///< KeyRecord::uri
    bool envelope = false;   ///< MakeKey::envelope
};
/// The request is built: everything that later sends need.
struct RequestPrepared {
    Transaction transaction;      ///< its nonce and counts are set here, not by the runtime
    std::string algorithms = {};  ///< for the history: how it is signed and encrypted, and by whose leave (SEC-5)
};
/// The CA has another encryption certificate than the committed envelope is for (design, "Re-sending").
struct RecipientChanged {};
/// The CA issued and the certificate was accepted.
struct CertificateIssued {
    IssuedRecord issued;
    std::string algorithms = {};  ///< of the reply, for the history
};
/// The CA answered PENDING.
struct RequestPending {
    std::string algorithms = {};  ///< of the reply, for the history
};
/// The CA answered FAILURE.
struct RequestRejected {
    std::optional<scep::FailInfo> fail_info;
    Error error;
    std::string algorithms = {};  ///< of the reply, for the history
};
/// The CA was asked again after a refusal. `changed`: it has another recipient or other algorithms than the request.
struct AuthorityReconsidered {
    bool changed = false;
};
/// What may change beside a certificate while the next one waits for its time.
struct BesideCertificate {
    std::vector<Bytes> anchors;  ///< as IssuedRecord has them
    Bytes crl;                   ///< SHA-256, as Credential has it
    friend bool operator==(const BesideCertificate&, const BesideCertificate&) = default;
};
/// The generation of the last PublishGeneration effect is what consumers see.
struct GenerationPublished {
    std::uint64_t generation = 0;
    std::optional<BesideCertificate> beside = {};  ///< of that effect
};
/// The generation of the last PublishGeneration effect could not be published.
struct PublicationFailed {
    Error error;
    bool seen = false;  ///< consumers are led to the certificate of `next` all the same: it may not be durable
};
/// An effect of the attempt failed. `answered`: an enrollment message was answered with HTTP 200, so it counts
/// (invariant 5). `issued`: the reply held a certificate for us that was refused, so it counts too. The next try is no
/// earlier than error.retry_after().
struct EffectFailed {
    Error error;
    bool answered = false;
    bool issued = false;
};

/// An operator has said that what the identity waits for is done: a hold ends, a wait for a PIN is over, and the CA may
/// be asked before its Retry-After. The next try is due a second later; nothing is begun here, since no agent may be
/// running. Consumers that were told in vain are to be told at once.
struct Resumed {
    bool pin_must_change = false;  ///< the configured PIN was refused and is the same: no wait for it is ended
};
/// The CA was asked for its successor; what is known of it is in Policy::authority.
struct SuccessorSought {};
/// The hooks and checks of the last Deliver effect ended.
struct Delivered {
    std::uint64_t generation = 0;
    std::optional<Error> error = {};
};
/// The last DestroyKey effect ended; a key that was not there is a success.
struct KeyDestroyed {
    Bytes key_id;
    std::optional<Error> error = {};
};
/// An operator wants a renewal now (O6: twenty such wishes are one).
struct RenewalWanted {
    bool rekey = false;
};
/// An operator wants an enrollment with a challenge now, whatever there is.
struct EnrollmentWanted {};
/// An operator ends the attempt under way (O7). Its key is kept until the hold is released.
struct Cancelled {};
/// A certificate is on a CRL for good (SM-18).
struct CertificateRevoked {
    Bytes leaf = {};       ///< DER: nothing happens if that is not the current one any more; empty: whatever is current
    std::string why = {};  ///< for the history, e.g. `keyCompromise since 2026-11-23T18:09:53Z`
};
/// An operator has brought a certificate that was issued elsewhere, for a key that is on the token and is somebody
/// else's. Both were judged and found good. Makes sense where may_adopt().
struct CertificateAdopted {
    KeyRecord key;
    IssuedRecord issued;
};
/// Consumers see a certificate that the state does not know and that outlasts what it knows, and whose key is on the
/// token: the state is from an older backup (O10). Judged and found good.
struct PublishedFound {
    KeyRecord key;
    IssuedRecord issued;
    std::uint64_t highest_generation = 0;  ///< as of Started
    bool as_configured = true;  ///< its names are those that the configuration asks for; otherwise another one is due
};

using Event = std::variant<Started, Due, KeyReady, RequestPrepared, RecipientChanged, CertificateIssued, RequestPending,
                           RequestRejected, AuthorityReconsidered, GenerationPublished, PublicationFailed, EffectFailed,
                           Resumed, SuccessorSought, Delivered, KeyDestroyed, RenewalWanted, EnrollmentWanted,
                           Cancelled, CertificateRevoked, CertificateAdopted, PublishedFound>;

/// Find the key under the committed id or generate it there, in place of one of another kind. Where the configuration
/// names an existing key, find that, and leave nothing under the committed id. That id is always one of ours.
struct MakeKey {
    Bytes key_id;
    bool envelope = false;  ///< an RSA key that receives the reply (Enrollment::envelope_key), whatever `key` says
};
/// Trust the CA if that is not done, self-test the key, build CSR, signer certificate and envelope.
struct PrepareRequest {
    scep::TransactionId transaction_id;
    Purpose purpose = Purpose::first;
    bool by_renewal_req =
        true;  ///< a renewal may be a RenewalReq, if the CA announces that and the configuration agrees
};
/// Sign the committed envelope with the committed nonce and send it.
struct SendRequest {};
/// The same for a CertPoll.
struct SendPoll {};
/// Ask the CA for its capabilities and certificates once more and compare (FI-1, ALG-12).
struct ReconsiderAuthority {
    RefusedRequest request;
};
/// Write and switch to this generation: that of `next`; or, with `beside`, that of the current certificate once more
/// with these anchors and this CRL, while `next` waits for its time (C19, QRY-6).
struct PublishGeneration {
    std::uint64_t generation = 0;
    std::optional<BesideCertificate> beside = {};
};

/// Ask the CA for its successor (GetNextCACert).
struct SeekSuccessor {};
/// Run hooks and checks for what consumers see.
struct Deliver {
    std::uint64_t generation = 0;
};
/// Destroy a key that is not needed any more.
struct DestroyKey {
    Bytes key_id;
    std::string token = {};  ///< KeyRecord::token
};
/// Tell people. No outcome; the only effect that stands beside another one.
struct RaiseAlert {
    enum class Kind : std::uint8_t {
        overdue,   ///< past its renewal point without success
        expired,   ///< the current certificate has expired
        held,      ///< a hold has begun or lasts
        delivery,  ///< hooks or checks fail
        revoked,   ///< the current certificate is on a CRL
    } kind = Kind::overdue;
};

using Effect = std::variant<MakeKey, PrepareRequest, SendRequest, SendPoll, ReconsiderAuthority, PublishGeneration,
                            SeekSuccessor, Deliver, DestroyKey, RaiseAlert>;

/// Poll timing (RT-7).
struct PollPolicy {
    Seconds first{60};
    double factor = 1.5;  ///< from one interval to the next
    Seconds longest{3600};
    Seconds give_up{7 * 24 * 3600};
};

/// What an identity needs to know of its CA. Views of the authority's state, by value.
struct AuthorityFacts {
    Bytes anchor;          ///< DER; empty: not trusted yet
    TimePoint not_before;  ///< of the issuing CA; meaningful unless `anchor` is empty
    TimePoint not_after;
    struct Successor {
        Bytes anchor;  ///< DER
        TimePoint not_before;
        friend bool operator==(const Successor&, const Successor&) = default;
    };
    std::optional<Successor> next;
    std::vector<Bytes> left;      ///< DER of anchors that the CA has left by a rollover
    std::vector<Bytes> overlaps;  ///< DER of anchors that consumers need beside their own certificate's
    /// The CRL at hand of a CA certificate, or of some distribution points of one.
    struct IssuerCrl {
        Bytes issuer;  ///< DER of the CA certificate
        Bytes scope;   ///< IssuedRecord::crl_scope of the certificates that it speaks of
        Bytes digest;  ///< SHA-256 of the CRL's DER
        friend bool operator==(const IssuerCrl&, const IssuerCrl&) = default;
    };
    /// What is published beside the certificates that these have issued. Where there is none for one, consumers keep
    /// what they have.
    std::vector<IssuerCrl> crls = {};
    bool publishes_crls = true;  ///< false: `crl` is off, and consumers are to have none
    friend bool operator==(const AuthorityFacts&, const AuthorityFacts&) = default;
};

/// When a renewed certificate may take the place of the current one.
struct ActivationPolicy {
    std::optional<TimePoint> opens;  ///< the next opening of `activate_window`; nothing: it is open, or there is none
    LifetimeMark latest{0, Seconds(0)};  ///< of the current certificate: not past this point
    friend bool operator==(const ActivationPolicy&, const ActivationPolicy&) = default;
};

/// A way to take up a request whose answer never came (RT-3, RT-4).
enum class Resync : std::uint8_t {
    same,   ///< send it again under its transactionID
    poll,   ///< ask by CertPoll what became of it
    fresh,  ///< make a new one with a new transactionID
};

enum class KeyRule : std::uint8_t { require, prefer, reuse };
enum class SwitchRule : std::uint8_t { authority_end, not_before, now };

/// What the configuration decides. Values, no references.
struct Policy {
    PollPolicy poll;
    Seconds backoff_first{60};
    Seconds backoff_longest{6 * 3600};
    Seconds hold_retry{24 * 3600};
    std::uint32_t max_messages = 48;                                        ///< invariant 5
    std::uint32_t max_certificates = 3;                                     ///< invariant 5
    std::vector<Resync> resync{Resync::same, Resync::poll, Resync::fresh};  ///< in this order; what is not there is not
                                                                            ///< done
    std::string token;         ///< name of the [token.*] section that new keys are made on
    Bytes configuration_mark;  ///< changes whenever the identity's, its CA's or its token's settings do
    Bytes request_mark;        ///< changes with what a request says and to whom, not with the challenge
    Bytes name_mark;           ///< changes with the certificate's names, its CA's name and its token: another identity
    Bytes signer_mark;   ///< names the manufacturer's key that signs what the current certificate cannot; empty: none
    Bytes content_mark;  ///< changes with key, usages and extensions: the same identity, another certificate
    LifetimeMark renew_at;
    int jitter_percent = 5;
    KeyRule new_key = KeyRule::require;
    bool envelope_key = false;  ///< replies go to an RSA key beside the identity's (`envelope = "token-rsa"`)
    SwitchRule switch_at = SwitchRule::authority_end;
    Seconds rollover_tolerance{3600};
    Seconds retire_after{24 * 3600};
    bool delivers = false;  ///< consumers are told: hooks or a check are configured
    ActivationPolicy activation;
    AuthorityFacts authority;
    bool clock_trusted = true;  ///< otherwise nothing is destroyed, switched or taken away (K1, K2)
};

struct Transition {
    IdentityState state;
    std::vector<Effect> effects;
    std::string note;  ///< one line for the history; empty when nothing happened that is worth one
};

/// Total over all states and events: an event that makes no sense in a state leaves it as it is and has no effects.
Transition step(const IdentityState& state, const Event& event, const Draw& draw, const Policy& policy, TimePoint now);

/// The earliest time at which Due may lead to something; nothing while the identity waits for an event alone. May be in
/// the past: then Due is due now.
std::optional<TimePoint> next_due(const IdentityState& state, const Policy& policy);

/// True while the identity has no certificate, none on its way to consumers, and no request that the CA is deciding:
/// any other attempt at a first one gives way to a certificate that is adopted.
bool may_adopt(const IdentityState& state);

/// When the current certificate is to be renewed; nothing without one.
std::optional<TimePoint> renewal_time(const IdentityState& state, const Policy& policy);

/// True for an outcome that an out-of-date view of the CA may explain: a reply by an unknown signer (CACERT-11),
/// badMessageCheck (FI-1), badAlg (ALG-12), no algorithm in common, a request that its web server refuses (CAPS-1).
bool doubts_authority(const Event& outcome);

}  // namespace hwenroll::lifecycle
