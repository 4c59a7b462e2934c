// From the choice of a key to an accepted certificate.
#include "agent/lifecycle/attempt.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/publication.h"
#include "agent/lifecycle/resync.h"

namespace hwenroll::lifecycle {
namespace {

/// RT-7: the interval grows by `factor` with every poll, and by a second at least; a factor of 1 keeps it.
Seconds poll_interval(const PollPolicy& policy, Seconds life, std::uint32_t polls) {
    Seconds interval = scaled(policy.first, life);
    for (std::uint32_t i = 0; policy.factor > 1 && i < polls && interval < policy.longest; ++i) {
        const double longer = static_cast<double>(interval.count()) * policy.factor;
        interval = std::max(interval + Seconds(1), Seconds(static_cast<std::int64_t>(longer)));
    }
    return std::min(interval, policy.longest);
}

WaitingFor waiting_for(Remedy remedy) {
    switch (remedy) {
        case Remedy::retry:
            return WaitingFor::network;
        case Remedy::wait_token:
            return WaitingFor::token;
        case Remedy::change_pin:
            return WaitingFor::pin;
        case Remedy::ask_ca:
            return WaitingFor::ca;
        case Remedy::change_config:
            return WaitingFor::operator_;
        case Remedy::free_storage:
        case Remedy::report_bug:
            break;
    }
    return WaitingFor::timer;
}

/// It was made on another token than the one that new keys are made on.
bool is_elsewhere(const KeyRecord& key, const Policy& policy) {
    return !key.token.empty() && !policy.token.empty() && key.token != policy.token;
}

/// Where it is kept, and under which other name, a transaction's record of it does not say.
bool is_same_key(const KeyRecord& one, const KeyRecord& other) {
    return one.id == other.id && one.spki == other.spki;
}

bool is_signed_by_current(Purpose purpose) {
    return purpose == Purpose::renewal || purpose == Purpose::shadow;
}

bool over_cap(const IdentityState& state, const Policy& policy) {
    return state.counters.messages >= policy.max_messages || state.counters.certificates >= policy.max_certificates;
}

void hold(Decision& d, HoldReason reason) {
    // Invariant 5: over the cap one retry a day, however short the certificate.
    const Seconds soon = std::max(Seconds(1), std::min(d.policy.hold_retry, life_at_hand(d.next) / 10));
    const Seconds retry = over_cap(d.next, d.policy) ? d.policy.hold_retry : soon;
    d.next.hold = Hold{reason, d.policy.configuration_mark};
    d.next.wait = Wait{WaitingFor::operator_, d.now + retry};
    d.next.alerted_at.reset();
    d.settled = true;
}

/// The next send of the committed transaction: its nonce is committed before the effect runs (MSG-7, RT-5).
void send(Decision& d) {
    Transaction& transaction = *d.next.enrollment->transaction;
    transaction.nonce = scep::Nonce{d.draw.nonce};
    ++transaction.sends;
    d.emit(SendRequest{});
}

void poll(Decision& d) {
    Transaction& transaction = *d.next.enrollment->transaction;
    transaction.nonce = scep::Nonce{d.draw.nonce};
    ++transaction.polls;
    clear_wait(d);
    d.emit(SendPoll{});
}

/// SM-11: a transaction that the CA leaves undecided too long is given up; the key is kept. K1: never by a clock that
/// is not trusted.
bool too_old(const Decision& d) {
    return d.policy.clock_trusted && d.now >= d.next.enrollment->transaction->prepared_at + d.policy.poll.give_up;
}

/// What was learnt from refusals counts no more: the request that comes is not the one that was refused.
void forget_refusals(Decision& d) {
    if (d.next.enrollment) {
        d.next.enrollment->refused.reset();
        d.next.enrollment->retried_for_authority = false;
    }
}

bool is_somebody_elses(const Decision& d) {
    const KeyRecord& key = d.next.enrollment->key;
    return key.adopted || (d.next.current && d.next.current->key.id == key.id) ||
           (d.next.shadow && d.next.shadow->credential.key.id == key.id);
}

void make_key(Decision& d) {
    const Enrollment& enrollment = *d.next.enrollment;
    if (enrollment.key.spki.empty()) {
        return d.emit(MakeKey{enrollment.key.id});
    }
    d.emit(MakeKey{enrollment.envelope_key->id, true});
}

/// Nothing is encrypted to it any more.
void retire_envelope_key(Decision& d) {
    if (const auto key = std::exchange(d.next.enrollment->envelope_key, std::nullopt)) {
        retire(d, *key, true);
    }
}

/// C20: a successor that is no more cannot issue.
bool lost_successor(const IdentityState& state, const Policy& policy) {
    const Enrollment& enrollment = *state.enrollment;
    const AuthorityFacts& ca = policy.authority;
    return enrollment.purpose == Purpose::shadow && !ca.anchor.empty() && ca.anchor != enrollment.authority &&
           (!ca.next || ca.next->anchor != enrollment.authority);
}

/// SM-14, SM-18, ROLL-17: from when on the current certificate signs nothing for this attempt; nothing while that does
/// not matter. A request that the CA is deciding stays. One for the successor waits for the switch.
std::optional<TimePoint> signer_end(const IdentityState& state, const Policy& policy) {
    const Enrollment& enrollment = *state.enrollment;
    const bool pending = enrollment.transaction && enrollment.transaction->pending;
    if (!is_signed_by_current(enrollment.purpose) || pending || !state.current) {
        return std::nullopt;
    }
    if (state.revoked || is_left_behind(state, policy)) {
        return TimePoint{};
    }
    const bool for_successor = enrollment.purpose == Purpose::shadow && policy.authority.next &&
                               policy.authority.next->anchor == enrollment.authority && !is_ahead(state, policy);
    return for_successor ? std::nullopt : std::optional(state.current->issued.not_after);
}

/// What the current certificate can sign no more is asked for as the first time.
void look_at_signer(Decision& d) {
    const auto end = signer_end(d.next, d.policy);
    if (!end || d.now < *end) {
        return;
    }
    Enrollment& enrollment = *d.next.enrollment;
    enrollment.purpose = Purpose::reenrollment;
    enrollment.authority.clear();
    enrollment.transaction.reset();
    forget_refusals(d);
    const bool left_behind = is_left_behind(d.next, d.policy);
    d.note = fmt::format("{}, a new enrollment begins", d.next.revoked ? "the current certificate is revoked"
                                                        : left_behind  ? "the CA has been succeeded"
                                                                       : "the current certificate has expired");
    if (d.next.revoked && is_somebody_elses(d) && !enrollment.key.adopted) {
        enrollment.key = KeyRecord{d.drawn_id(), {}};
    }
}

void prepare(Decision& d) {
    look_at_signer(d);
    if (phase_of(d.next.enrollment) == Phase::need_key) {
        return make_key(d);
    }
    if (d.policy.envelope_key && !d.next.enrollment->envelope_key) {
        // Its id is committed before it is made, as every key's (invariant 9), and the place where it will be as well.
        d.next.enrollment->envelope_key = KeyRecord{d.drawn_id(), {}, false, {}, d.policy.token};
        return make_key(d);
    }
    d.emit(PrepareRequest{
        scep::transaction_id_from(d.draw.identifier), d.next.enrollment->purpose,
        d.next.renewal_req_refused.empty() || d.next.renewal_req_refused != d.policy.configuration_mark});
}

/// The operator wants another certificate than the one under way: the key may have to be another one as well.
void start_over(Decision& d) {
    forget_refusals(d);
    d.next.enrollment->transaction.reset();
    d.next.enrollment->restarted = false;
    retire_envelope_key(d);
    const bool moved = !d.next.enrollment->key.spki.empty() && is_elsewhere(d.next.enrollment->key, d.policy);
    if (moved && !is_somebody_elses(d)) {
        retire(d, d.next.enrollment->key, true);
    }
    if (moved || is_somebody_elses(d)) {
        // What is made next must not take the place of a key that is in use, or not ours, or on another token.
        d.next.enrollment->key = KeyRecord{d.drawn_id(), {}};
    }
    d.next.enrollment->key.spki.clear();
    d.next.enrollment->key.pem.clear();
    d.next.enrollment->key.token.clear();
    d.next.enrollment->key.uri.clear();
    d.next.enrollment->request_mark = d.policy.request_mark;
    clear_wait(d);
    make_key(d);
    d.note = "the configuration changed, a new request begins";
}

bool is_for_another_request(const Decision& d) {
    return d.next.enrollment->request_mark != d.policy.request_mark;
}

/// A clock that went back must not make the wait longer than it was.
bool is_asked_to_wait(const Decision& d) {
    const auto& asked = d.next.wait.retry_after;
    return asked && asked->configuration_mark == d.policy.configuration_mark && d.now < asked->until &&
           d.next.failure && d.now >= d.next.failure->at;
}

void reconsider(Decision& d) {
    clear_wait(d);
    d.emit(ReconsiderAuthority{*d.next.enrollment->refused});
}

/// SIG-4: the manufacturer's key that signed the request, and that its answer is encrypted to, is configured no more.
bool lost_signer(const Decision& d) {
    const Enrollment& enrollment = *d.next.enrollment;
    return enrollment.transaction && !enrollment.transaction->signer_mark.empty() &&
           enrollment.transaction->signer_mark != d.policy.signer_mark;
}

/// Why the committed transaction is of no use any more; empty: it is.
std::string obsolete(const Decision& d) {
    const Enrollment& enrollment = *d.next.enrollment;
    if (!enrollment.transaction) {
        return {};
    }
    if (too_old(d)) {
        return "transaction " + enrollment.transaction->id.value + " given up, a new one begins";
    }
    if (lost_signer(d)) {
        return "the manufacturer's key that signed the request is not configured any more, a new request begins";
    }
    if (enrollment.transaction->configuration_mark != d.policy.configuration_mark) {
        return "the configuration or the challenge changed, a new request begins";
    }
    const auto& signer = enrollment.transaction->signer_key;
    if (signer && !enrollment.envelope_key && is_signed_by_current(enrollment.purpose) &&
        (!d.next.current || !is_same_key(d.next.current->key, *signer))) {
        return "the certificate that signed the request is not the current one any more, a new request begins";
    }
    return {};
}

/// RT-3, RT-4: the committed request goes out, or its answer never came. No answer leaves the way as it is; a refusal
/// leads to the next one (on RequestRejected).
void take_up(Decision& d) {
    Transaction& transaction = *d.next.enrollment->transaction;
    if (was_not_sent(d.next, transaction)) {
        return send(d);
    }
    transaction.recovery = std::max(transaction.recovery, 1U);
    switch (recovery_of(transaction, d.policy).value_or(Resync::same)) {
        case Resync::same:
            return send(d);
        case Resync::poll:
            d.note = "the answer to the request never came, the CA is asked what became of it";
            return poll(d);
        case Resync::fresh:
            d.next.enrollment->transaction.reset();
            d.note = "the answer to the request never came, a new request begins";
            return prepare(d);
    }
}

void resubmit(Decision& d) {
    if (is_asked_to_wait(d)) {
        return;
    }
    const auto& refused = d.next.enrollment->refused;
    if (refused && refused->configuration_mark == d.policy.configuration_mark) {
        return reconsider(d);
    }
    if (refused) {
        d.note = "the configuration or the challenge changed, a new request begins";
        forget_refusals(d);
    } else if (auto why = obsolete(d); !why.empty()) {
        const bool too_late = too_old(d);
        d.note = std::move(why);
        d.next.enrollment->transaction.reset();
        if (too_late && over_cap(d.next, d.policy)) {
            return hold(d, HoldReason::message_cap);
        }
        if (!too_late) {
            forget_refusals(d);
        }
    }
    clear_wait(d);
    if (d.next.enrollment->transaction) {
        take_up(d);
    } else {
        prepare(d);
    }
}

bool awaits_answer(const IdentityState& state) {
    const Phase phase = attempt_phase(state);
    return (phase == Phase::need_submit || phase == Phase::pending) && state.enrollment->transaction;
}

/// SEC-5: what a message was made with, at the end of what the history says of it.
std::string with(std::string_view what, const std::string& algorithms) {
    return algorithms.empty() ? std::string() : fmt::format("; {} {}", what, algorithms);
}

/// Invariant 5: polls do not count.
void count_message(Decision& d) {
    const auto& transaction = d.next.enrollment->transaction;
    if (attempt_phase(d.next) == Phase::need_submit && !(transaction && asks_by_poll(*transaction, d.policy))) {
        ++d.next.counters.messages;
    }
}

/// Invariant 3; design, "no-progress". An operator's wish and a revocation let a certificate end earlier.
bool is_progress(const Decision& d, const IssuedRecord& issued) {
    if (!d.next.current || d.next.enrollment->forced || d.next.revoked) {
        return true;
    }
    const TimePoint end = d.next.current->issued.not_after;
    if (d.policy.clock_trusted && d.now < d.next.current->issued.not_before && issued.not_before <= d.now) {
        // Nobody can use the current one yet (K10).
        return true;
    }
    return is_signed_by_current(d.next.enrollment->purpose) ? issued.not_after > end : issued.not_after >= end;
}

void back_off(Decision& d, const Error& error) {
    const Seconds wait = backoff(d, d.next.counters.failures);
    d.next.wait = Wait{waiting_for(error.info().remedy), d.now + std::max(wait, error.retry_after().value_or(wait))};
    if (error.retry_after()) {
        d.next.wait.retry_after = RetryAfter{d.now + *error.retry_after(), d.policy.configuration_mark};
    }
}

/// C4: the CA gave what it had given before. The next try is another request with another key.
void start_without_progress(Decision& d) {
    Enrollment& enrollment = *d.next.enrollment;
    enrollment.transaction.reset();
    if (!is_somebody_elses(d)) {
        const KeyRecord key = std::exchange(enrollment.key, KeyRecord{d.drawn_id(), {}});
        retire(d, key, true);
    }
}

/// T19: with `prefer`, the current key is better than none; but not for what an operator wanted before its time, nor
/// for a certificate that asks for another kind of key.
bool may_keep_key(const Decision& d) {
    const auto& current = d.next.current;
    return d.policy.new_key == KeyRule::prefer && current && !d.next.revoked &&
           current->content_mark == d.policy.content_mark &&
           (!d.next.enrollment->forced || d.now >= renewal_due(*current, d.policy.renew_at, d.policy.jitter_percent));
}

/// T19: what is not needed any more makes room first; not what is on another token, nor what cannot be destroyed.
void make_room(Decision& d) {
    bool freed = false;
    for (RetiredKey& retired : d.next.retired) {
        const bool makes_room = !is_elsewhere(retired.key, d.policy) && retired.failures == 0;
        if (makes_room && retired.destroy_at && *retired.destroy_at > d.now) {
            retired.destroy_at = d.now;
            freed = true;
        }
    }
    const bool has_its_own = d.next.current && d.next.enrollment->key.id != d.next.current->key.id;
    if (!freed && has_its_own && attempt_phase(d.next) == Phase::need_key && may_keep_key(d)) {
        retire(d, std::exchange(d.next.enrollment->key, d.next.current->key), true);
        clear_wait(d);
    }
}

void fail_attempt(Decision& d, const Error& error, bool issued) {
    ++d.next.counters.failures;
    d.next.counters.certificates += issued ? 1 : 0;
    if (!d.next.enrollment->refused) {
        // Otherwise the refusal is still what stands between the identity and its certificate.
        d.next.failure = FailureRecord{error.code(), error.line(), d.now};
    }
    d.note = error.line();
    d.settled = true;
    if (error.code() == ErrorCode::token_key_policy) {
        return hold(d, HoldReason::key_refused);
    }
    if (over_cap(d.next, d.policy)) {
        return hold(d, HoldReason::message_cap);
    }
    back_off(d, error);
    if (error.code() == ErrorCode::token_full) {
        make_room(d);
    }
}

bool wants_pkcs_req(const Decision& d, const Transaction& request, const std::optional<scep::FailInfo>& reason) {
    return request.type == scep::MessageType::renewal_req &&
           reason.value_or(scep::FailInfo::bad_request) == scep::FailInfo::bad_request &&
           d.next.renewal_req_refused != d.policy.configuration_mark;
}

/// The phase of a KeyReady that nobody waits for, and the like, is the test of each handler.
bool is_in(const Decision& d, Phase phase) {
    return attempt_phase(d.next) == phase;
}

void take_certificate(Decision& d, const IssuedRecord& issued) {
    Credential credential{d.next.enrollment->key, issued, 0, {}, d.draw.fraction, d.policy.name_mark,
                          d.policy.content_mark};
    if (is_for_another_request(d)) {
        // The configuration has changed since it was asked for, so that it is not what the marks of today say.
        const bool same_names = d.next.current && d.next.current->name_mark == d.policy.name_mark;
        credential.name_mark = same_names ? d.policy.name_mark : d.next.enrollment->request_mark;
        credential.content_mark = d.next.enrollment->request_mark;
    }
    const auto& request = d.next.enrollment->transaction;
    if (request && !request->signer_mark.empty()) {
        // What a CA thinks of a manufacturer's RenewalReq says nothing of one by its own certificate (REN-6, SIG-4).
        d.next.renewal_req_refused.clear();
    }
    retire_envelope_key(d);
    const Bytes authority = d.next.enrollment->authority;
    const bool early = d.next.enrollment->purpose == Purpose::shadow && authority != d.policy.authority.anchor;
    d.next.enrollment.reset();
    clear_wait(d);
    d.settled = true;
    d.note = "certificate issued, valid until " + to_iso8601(issued.not_after);
    if (!early) {
        return queue(d, std::move(credential));
    }
    if (d.next.shadow) {
        retire(d, d.next.shadow->credential.key, true);
    }
    d.next.shadow = Shadow{std::move(credential), authority};
    d.next.counters = {};
    d.next.failure.reset();
    d.next.alerted_at.reset();
    d.note = "shadow " + d.note + ", kept until the CA's rollover";
}

}  // namespace

void begin(Decision& d, Purpose purpose) {
    const Wish wish = std::exchange(d.next.wish, Wish::nothing);
    Enrollment enrollment;
    enrollment.key.id = d.drawn_id();
    enrollment.request_mark = d.policy.request_mark;
    enrollment.purpose = purpose;
    enrollment.forced = wish != Wish::nothing;
    if (purpose == Purpose::shadow) {
        enrollment.authority = d.policy.authority.next->anchor;
    }
    // What begins as if there were no certificate needs no old key, which its token may have lost (P8, T22).
    const bool reuse = d.policy.new_key == KeyRule::reuse && wish != Wish::rekey && wish != Wish::enroll &&
                       !d.next.revoked && d.next.current && d.next.current->content_mark == d.policy.content_mark;
    if (reuse) {
        enrollment.key = d.next.current->key;
    }
    d.next.enrollment = std::move(enrollment);
    d.next.hold.reset();
    clear_wait(d);
    if (reuse) {
        d.note = "request begun with the current key";
        return prepare(d);
    }
    d.note = "enrollment begun, key id " + to_hex(d.next.enrollment->key.id);
    make_key(d);
}

void go_on(Decision& d) {
    if (lost_successor(d.next, d.policy)) {
        d.note = "the CA's successor is another one now, the request for it ends";
        return abandon(d);
    }
    look_at_signer(d);
    if (is_for_another_request(d)) {
        return start_over(d);
    }
    switch (phase_of(d.next.enrollment)) {
        case Phase::need_key:
            return make_key(d);
        case Phase::need_submit:
            return resubmit(d);
        case Phase::pending:
            if (too_old(d) || lost_signer(d)) {
                resubmit(d);
            } else if (d.now >= d.next.wait.until) {
                poll(d);
            }
            return;
        default:
            return;
    }
}

void abandon(Decision& d) {
    const KeyRecord key = d.next.enrollment->key;
    const bool ours = !is_somebody_elses(d);
    retire_envelope_key(d);
    d.next.enrollment.reset();
    d.next.hold.reset();
    clear_wait(d);
    d.settled = true;
    if (ours) {
        retire(d, key, true);
    }
}

void release(Decision& d) {
    d.next.hold.reset();
    clear_wait(d);
    forget_refusals(d);
}

bool redirect(Decision& d, Wish what) {
    if (!d.next.enrollment || attempt_phase(d.next) == Phase::pending) {
        return false;
    }
    Enrollment& enrollment = *d.next.enrollment;
    const bool enroll = what == Wish::enroll && is_signed_by_current(enrollment.purpose);
    const bool reused = d.next.current && enrollment.key.id == d.next.current->key.id && !enrollment.key.adopted;
    const bool rekey = what == Wish::rekey && reused;
    if (!enroll && !rekey) {
        return false;
    }
    forget_refusals(d);
    clear_wait(d);
    enrollment.transaction.reset();
    enrollment.forced = true;
    if (enroll) {
        enrollment.purpose = Purpose::reenrollment;
        enrollment.authority.clear();
    }
    if (reused) {
        // Neither wish is for a key that its token may have lost.
        enrollment.key = KeyRecord{d.drawn_id(), {}};
    }
    return true;
}

TimePoint attempt_time(const IdentityState& state, const Policy& policy) {
    if (!state.hold) {
        return state.wait.reason == WaitingFor::nothing ? TimePoint{} : state.wait.until;
    }
    if (state.hold->configuration_mark != policy.configuration_mark) {
        return {};
    }
    // Invariant 5: over the cap one message a day, whatever happens.
    if (state.hold->reason == HoldReason::cancelled || over_cap(state, policy)) {
        return state.wait.until;
    }
    if (lost_successor(state, policy)) {
        return {};
    }
    const auto end = signer_end(state, policy);
    return end ? std::min(*end, state.wait.until) : state.wait.until;
}

bool is_released(const Decision& d) {
    return d.now >= attempt_time(d.next, d.policy);
}

void on(Decision& d, const KeyReady& event) {
    if (!d.next.enrollment) {
        return;
    }
    const bool envelope = !d.next.enrollment->key.spki.empty();
    if (!is_in(d, Phase::need_key) || event.spki.empty() || event.envelope != envelope) {
        return;
    }
    KeyRecord& key = envelope ? *d.next.enrollment->envelope_key : d.next.enrollment->key;
    key.spki = event.spki;
    key.pem = event.pem;
    key.token = event.token;
    key.uri = event.uri;
    if (!event.adopted_id.empty()) {
        d.next.enrollment->key.id = event.adopted_id;
        d.next.enrollment->key.adopted = true;
        // It may have been ours once.
        std::erase_if(d.next.retired, [&](const RetiredKey& one) { return one.key.id == event.adopted_id; });
    }
    clear_wait(d);
    d.note = envelope                   ? "the key that receives the reply is on the token"
             : event.adopted_id.empty() ? "key is on the token"
                                        : "existing key " + to_hex(event.adopted_id) + " is on the token";
    prepare(d);
}

void on(Decision& d, const RequestPrepared& event) {
    if (!is_in(d, Phase::need_submit) || d.next.enrollment->transaction || d.next.enrollment->refused) {
        return;
    }
    Transaction& transaction = d.next.enrollment->transaction.emplace(event.transaction);
    transaction.configuration_mark = d.policy.configuration_mark;
    transaction.prepared_at = d.now;
    transaction.sends = 0;
    transaction.polls = 0;
    transaction.pending = false;
    transaction.recovery = 0;
    d.note = "request prepared, transaction " + event.transaction.id.value;
    const bool by_another = transaction.signer_key && !d.next.enrollment->envelope_key;
    if (by_another && !is_signed_by_current(d.next.enrollment->purpose)) {
        transaction.signer_mark = d.policy.signer_mark;
        d.note += ", signed by the manufacturer's certificate";
    }
    d.note += with("by", event.algorithms);
    send(d);
}

void on(Decision& d, const RecipientChanged& /*event*/) {
    if (!is_in(d, Phase::need_submit) || !d.next.enrollment->transaction) {
        return;
    }
    d.next.enrollment->transaction.reset();
    d.note = "the CA's encryption certificate changed, a new request begins";
    prepare(d);
}

void on(Decision& d, const CertificateIssued& event) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    if (!is_progress(d, event.issued)) {
        start_without_progress(d);
        return fail_attempt(d,
                            Error(ErrorCode::scep_no_progress,
                                  "the CA issued a certificate that ends at " + to_iso8601(event.issued.not_after),
                                  "no later than the current one"),
                            true);
    }
    forget_refusals(d);
    ++d.next.counters.certificates;
    take_certificate(d, event.issued);
    d.note += with("the reply by", event.algorithms);
}

void on(Decision& d, const RequestPending& event) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    forget_refusals(d);
    Transaction& transaction = *d.next.enrollment->transaction;
    const bool first = !std::exchange(transaction.pending, true);
    transaction.recovery = 0;
    d.next.failure.reset();
    d.next.counters.failures = 0;
    d.next.wait = Wait{WaitingFor::ca, d.now + poll_interval(d.policy.poll, life_at_hand(d.next), transaction.polls)};
    d.settled = true;
    d.note = first ? "the CA answered PENDING" + with("the reply by", event.algorithms) : "";
}

/// RT-3, RT-4: the next way to find out what became of a request, after a refusal that a lost answer may explain.
void recover(Decision& d, Transaction& request) {
    Enrollment& enrollment = *d.next.enrollment;
    const auto way = next_recovery(request, d.policy);
    if (!way) {
        return hold(d, HoldReason::rejected);
    }
    if (*way == Resync::fresh) {
        enrollment.restarted = true;
        d.note += "; an earlier answer may have been lost, a new request begins";
        return prepare(d);
    }
    d.note += "; an earlier answer may have been lost";
    enrollment.transaction = request;
    return *way == Resync::poll ? poll(d) : send(d);
}

void on(Decision& d, const RequestRejected& event) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    ++d.next.counters.failures;
    d.next.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    d.note = event.error.line() + with("the reply by", event.algorithms);
    // FI-2: permanent for this request; the challenge may be used up, so nothing of it is sent again.
    auto& enrollment = *d.next.enrollment;
    Transaction request = *std::exchange(enrollment.transaction, std::nullopt);
    clear_wait(d);
    if (over_cap(d.next, d.policy)) {
        return hold(d, HoldReason::rejected);
    }
    const bool polled = asks_by_poll(request, d.policy);
    if (!polled && wants_pkcs_req(d, request, event.fail_info)) {
        d.next.renewal_req_refused = d.policy.configuration_mark;
        d.note += "; asked once more by PKCSReq";
        return prepare(d);
    }
    if (doubts_authority(event) && !enrollment.retried_for_authority) {
        enrollment.refused =
            RefusedRequest{request.recipient, request.digest, request.cipher, request.configuration_mark};
        return reconsider(d);
    }
    if (may_have_been_lost(enrollment, request, d.policy, event.fail_info)) {
        return recover(d, request);
    }
    hold(d, HoldReason::rejected);
}

void on(Decision& d, const AuthorityReconsidered& event) {
    if (!is_in(d, Phase::need_submit) || !d.next.enrollment->refused) {
        return;
    }
    d.next.enrollment->refused.reset();
    if (!event.changed) {
        hold(d, HoldReason::rejected);
        d.note = "the CA that refused the request is as it was";
        return;
    }
    // FI-1, ALG-12: the request was for a CA that is no more.
    d.next.enrollment->retried_for_authority = true;
    clear_wait(d);
    d.note = "the CA that refused the request has changed, a new request begins";
    prepare(d);
}

void on(Decision& d, const EffectFailed& event) {
    if (d.next.hold) {
        return;
    }
    if (!d.next.enrollment) {
        if (d.next.next) {
            on(d, PublicationFailed{event.error});
        }
        return;
    }
    if (event.answered) {
        count_message(d);
    }
    const bool no_progress = event.error.code() == ErrorCode::scep_no_progress;
    if (no_progress && d.next.enrollment->transaction) {
        start_without_progress(d);
    }
    if (event.issued && is_answered_for_good(*d.next.enrollment, d.policy, event.error)) {
        d.next.enrollment->transaction.reset();
    }
    fail_attempt(d, event.error, event.issued);
}

void on(Decision& d, const Cancelled& /*event*/) {
    if (!d.next.enrollment) {
        return;
    }
    d.next.enrollment->transaction.reset();
    forget_refusals(d);
    d.next.wish = Wish::nothing;
    hold(d, HoldReason::cancelled);
    d.note = "cancelled by an operator";
}

void on(Decision& d, const CertificateAdopted& event) {
    if (!may_adopt(d.next) || event.key.id.empty() || event.key.spki.empty()) {
        return;
    }
    if (d.next.enrollment) {
        abandon(d);
    }
    d.next.wish = Wish::nothing;
    // It may have been ours once, or been meant for the attempt that ends here.
    std::erase_if(d.next.retired, [&](const RetiredKey& one) { return one.key.id == event.key.id; });
    Credential credential{event.key, event.issued, 0, {}, d.draw.fraction, d.policy.name_mark, d.policy.content_mark};
    credential.key.adopted = true;
    clear_wait(d);
    d.settled = true;
    d.note = fmt::format("certificate adopted, valid until {}, for the existing key {}",
                         to_iso8601(event.issued.not_after), to_hex(event.key.id));
    queue(d, std::move(credential));
}

}  // namespace hwenroll::lifecycle
