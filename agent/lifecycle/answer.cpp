// What becomes of a request: the CA's answers, failures and an operator's end, up to an accepted certificate.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/attempt.h"
#include "agent/lifecycle/publication.h"
#include "agent/lifecycle/request.h"
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

bool awaits_answer(const IdentityState& state) {
    const Phase phase = attempt_phase(state);
    return (phase == Phase::need_submit || phase == Phase::pending) && state.enrollment->transaction;
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
        if (over_cap(d.next, d.policy)) {
            // Invariant 5: should this one not do (K10), the next is asked for in a day.
            d.next.seek_after = d.now + d.policy.hold_retry;
        }
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

}  // namespace

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

}  // namespace hwenroll::lifecycle
