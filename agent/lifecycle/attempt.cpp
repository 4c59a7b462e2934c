// From the choice of a key to an accepted certificate.
#include "agent/lifecycle/attempt.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/publication.h"
#include "agent/lifecycle/request.h"
#include "agent/lifecycle/resync.h"

namespace hwenroll::lifecycle {
namespace {

/// Where it is kept, and under which other name, a transaction's record of it does not say.
bool is_same_key(const KeyRecord& one, const KeyRecord& other) {
    return one.id == other.id && one.spki == other.spki;
}

/// SM-11: a transaction that the CA leaves undecided too long is given up; the key is kept. K1: never by a clock that
/// is not trusted.
bool too_old(const Decision& d) {
    return d.policy.clock_trusted && d.now >= d.next.enrollment->transaction->prepared_at + d.policy.poll.give_up;
}

/// C20: a successor that is no more cannot issue.
bool lost_successor(const IdentityState& state, const Policy& policy) {
    const Enrollment& enrollment = *state.enrollment;
    const AuthorityFacts& ca = policy.authority;
    return enrollment.purpose == Purpose::shadow && !ca.anchor.empty() && ca.anchor != enrollment.authority &&
           (!ca.next || ca.next->anchor != enrollment.authority);
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

/// A clock that went back must not make the wait longer than it was.
bool is_asked_to_wait(const Decision& d) {
    const auto& asked = d.next.wait.retry_after;
    return asked && asked->configuration_mark == d.policy.configuration_mark && d.now < asked->until &&
           d.next.failure && d.now >= d.next.failure->at;
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
