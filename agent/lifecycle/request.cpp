// A request of the attempt under way: its key, its signer, its sending.
#include "agent/lifecycle/request.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::lifecycle {

/// It was made on another token than the one that new keys are made on.
bool is_elsewhere(const KeyRecord& key, const Policy& policy) {
    return !key.token.empty() && !policy.token.empty() && key.token != policy.token;
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

/// K10: the current certificate's CA, which a clock ahead had left, is in office again, so that certificate signs. Not
/// one that the CA's end caps, which no renewal betters.
void look_at_return(Decision& d) {
    Enrollment& enrollment = *d.next.enrollment;
    const auto& current = d.next.current;
    if (enrollment.purpose != Purpose::reenrollment || enrollment.transaction || enrollment.forced || !current ||
        !d.next.next || d.next.revoked || is_left_behind(d.next, d.policy) ||
        is_capped(current->issued, d.policy.authority.not_after, d.policy.rollover_tolerance)) {
        return;
    }
    const bool same_name = current->name_mark.empty() || current->name_mark == d.policy.name_mark;
    if (same_name && d.now >= current->issued.not_before && d.now < current->issued.not_after) {
        enrollment.purpose = Purpose::renewal;
    }
}

void prepare(Decision& d) {
    look_at_signer(d);
    look_at_return(d);
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

bool is_for_another_request(const Decision& d) {
    return d.next.enrollment->request_mark != d.policy.request_mark;
}

void reconsider(Decision& d) {
    clear_wait(d);
    d.emit(ReconsiderAuthority{*d.next.enrollment->refused});
}

/// SEC-5: what a message was made with, at the end of what the history says of it.
std::string with(std::string_view what, const std::string& algorithms) {
    return algorithms.empty() ? std::string() : fmt::format("; {} {}", what, algorithms);
}

/// The phase of a KeyReady that nobody waits for, and the like, is the test of each handler.
bool is_in(const Decision& d, Phase phase) {
    return attempt_phase(d.next) == phase;
}

}  // namespace hwenroll::lifecycle
