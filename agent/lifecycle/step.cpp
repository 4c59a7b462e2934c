#include "agent/lifecycle/step.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::lifecycle {
namespace {

/// What a handler needs beside its event. `next` starts as a copy of the state and becomes the result.
struct Decision {
    const Draw& draw;
    const Policy& policy;
    TimePoint now;
    IdentityState next;
    std::vector<Effect> effects = {};
    std::string note = {};

    void go(Phase phase) {
        next.phase = phase;
        next.wait = {};
        next.hold.reset();
    }
};

Seconds doubled(Seconds first, Seconds longest, std::uint32_t times) {
    Seconds step = first;
    for (std::uint32_t i = 0; i < times && step < longest; ++i) {
        step *= 2;
    }
    return std::min(step, longest);
}

/// RT-8: a point in [step/2, step], at least a second away.
Seconds backoff(const Policy& policy, std::uint32_t failures, std::uint32_t fraction) {
    const Seconds step = doubled(policy.backoff_first, policy.backoff_longest, failures == 0 ? 0 : failures - 1);
    const Seconds half = step / 2;
    const auto part = (static_cast<std::uint64_t>(half.count()) * fraction) >> 32U;
    return std::max(Seconds(1), half + Seconds(static_cast<std::int64_t>(part)));
}

/// RT-7: the interval grows by `factor` with every poll, and by a second at least; a factor of 1 keeps it.
Seconds poll_interval(const PollPolicy& policy, std::uint32_t polls) {
    Seconds interval = policy.first;
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

void hold(Decision& d, HoldReason reason) {
    d.next.phase = Phase::held;
    d.next.hold = Hold{reason, d.policy.configuration_mark};
    d.next.wait = Wait{WaitingFor::operator_, d.now + d.policy.hold_retry};
}

bool over_cap(const Decision& d) {
    return d.next.counters.messages >= d.policy.max_messages ||
           d.next.counters.certificates >= d.policy.max_certificates;
}

/// The next send of the committed transaction: its nonce is committed before the effect runs (MSG-7, RT-5).
void send(Decision& d) {
    Transaction& transaction = *d.next.enrollment->transaction;
    transaction.nonce = scep::Nonce{d.draw.nonce};
    ++transaction.sends;
    d.effects.emplace_back(SendRequest{});
}

void poll(Decision& d) {
    Transaction& transaction = *d.next.enrollment->transaction;
    transaction.nonce = scep::Nonce{d.draw.nonce};
    ++transaction.polls;
    d.next.wait = {};
    d.effects.emplace_back(SendPoll{});
}

void prepare(Decision& d) {
    d.effects.emplace_back(PrepareRequest{scep::transaction_id_from(d.draw.identifier)});
}

/// SM-11: a transaction that the CA leaves undecided too long is given up; the key is kept.
bool too_old(const Decision& d) {
    return d.now >= d.next.enrollment->transaction->prepared_at + d.policy.poll.give_up;
}

void begin(Decision& d) {
    d.next.enrollment = Enrollment{
        KeyRecord{Bytes(d.draw.identifier.begin(), d.draw.identifier.end()), {}}, d.policy.request_mark, {}, {}};
    d.go(Phase::need_key);
    d.effects.emplace_back(MakeKey{d.next.enrollment->key.id});
    d.note = "enrollment begun, key id " + to_hex(d.next.enrollment->key.id);
}

/// What was learnt from refusals counts no more: the request that comes is not the one that was refused.
void forget_refusals(Decision& d) {
    if (d.next.enrollment) {
        d.next.enrollment->refused.reset();
        d.next.enrollment->retried_for_authority = false;
    }
}

/// The operator wants another certificate than the one under way: the key may have to be another one as well.
void start_over(Decision& d) {
    forget_refusals(d);
    d.next.enrollment->transaction.reset();
    d.next.enrollment->key.spki.clear();
    if (d.next.enrollment->key.adopted) {
        // What is made next must not take the place of a key that is not ours.
        d.next.enrollment->key = KeyRecord{Bytes(d.draw.identifier.begin(), d.draw.identifier.end()), {}};
    }
    d.next.enrollment->request_mark = d.policy.request_mark;
    d.go(Phase::need_key);
    d.effects.emplace_back(MakeKey{d.next.enrollment->key.id});
    d.note = "the configuration changed, a new request begins";
}

bool is_for_another_request(const Decision& d) {
    return d.next.enrollment && !d.next.enrollment->issued && d.next.enrollment->request_mark != d.policy.request_mark;
}

/// A clock that went back must not make the wait longer than it was.
bool is_asked_to_wait(const Decision& d) {
    const auto& asked = d.next.wait.retry_after;
    return asked && asked->configuration_mark == d.policy.configuration_mark && d.now < asked->until &&
           d.next.failure && d.now >= d.next.failure->at;
}

void reconsider(Decision& d) {
    d.go(Phase::need_submit);
    d.effects.emplace_back(ReconsiderAuthority{*d.next.enrollment->refused});
}

void resubmit(Decision& d) {
    if (is_asked_to_wait(d)) {
        return;
    }
    const auto& refused = d.next.enrollment->refused;
    if (refused && refused->configuration_mark == d.policy.configuration_mark) {
        return reconsider(d);
    }
    auto& transaction = d.next.enrollment->transaction;
    if (refused) {
        d.note = "the configuration or the challenge changed, a new request begins";
        forget_refusals(d);
    } else if (transaction && too_old(d)) {
        d.note = "transaction " + transaction->id.value + " given up, a new one begins";
        transaction.reset();
    } else if (transaction && transaction->configuration_mark != d.policy.configuration_mark) {
        d.note = "the configuration or the challenge changed, a new request begins";
        transaction.reset();
        forget_refusals(d);
    }
    d.go(Phase::need_submit);
    if (transaction) {
        send(d);
    } else {
        prepare(d);
    }
}

/// What a settled phase needs now. In-flight work lives in memory only, so this is also how a restart resumes (SM-16).
void reissue(Decision& d) {
    if (is_for_another_request(d)) {
        return start_over(d);
    }
    switch (d.next.phase) {
        case Phase::unenrolled:
            return begin(d);
        case Phase::need_key:
            d.effects.emplace_back(MakeKey{d.next.enrollment->key.id});
            return;
        case Phase::need_submit:
            return resubmit(d);
        case Phase::pending:
            if (too_old(d)) {
                resubmit(d);
            } else if (d.now >= d.next.wait.until) {
                poll(d);
            }
            return;
        case Phase::need_publish:
            d.effects.emplace_back(PublishGeneration{d.next.last_generation});
            return;
        case Phase::valid:
        case Phase::held:
            return;
    }
}

void release(Decision& d) {
    d.go(phase_of(d.next.enrollment));
    forget_refusals(d);
}

void resume(Decision& d) {
    const bool configuration_changed = d.next.hold->configuration_mark != d.policy.configuration_mark;
    if (!configuration_changed && d.now < d.next.wait.until) {
        return;
    }
    release(d);
    d.note = configuration_changed ? "released: the configuration changed" : "released for one retry";
    reissue(d);
}

/// A generation number is never used twice, whatever became of the database or the directory. Numbers of generations
/// that were switched to stay as they are; a directory that is not `current` is still the agent's to replace.
void take_generations(Decision& d, const Started& event) {
    if (d.next.phase == Phase::valid && !event.shown) {
        d.next.enrollment = Enrollment{d.next.current->key, d.policy.request_mark, {}, d.next.current->issued};
        d.next.last_generation = std::max(d.next.last_generation, event.highest_generation) + 1;
        d.go(Phase::need_publish);
        d.note = "what was published is gone or damaged, it is published again";
        return;
    }
    const bool taken =
        d.next.phase == Phase::need_publish && !event.shown &&
        (event.highest_generation > d.next.last_generation || event.current_generation == d.next.last_generation);
    d.next.last_generation = std::max(d.next.last_generation, event.highest_generation) + (taken ? 1 : 0);
}

void on(Decision& d, const Started& event) {
    take_generations(d, event);
    if (d.next.phase == Phase::held) {
        resume(d);
    } else {
        reissue(d);
    }
}

void on(Decision& d, const Due& /*event*/) {
    if (d.next.wait.reason == WaitingFor::nothing || d.now < d.next.wait.until) {
        return;
    }
    on(d, Started{});
}

void on(Decision& d, const KeyReady& event) {
    if (d.next.phase != Phase::need_key || event.spki.empty()) {
        return;
    }
    d.next.enrollment->key.spki = event.spki;
    if (!event.adopted_id.empty()) {
        d.next.enrollment->key.id = event.adopted_id;
        d.next.enrollment->key.adopted = true;
    }
    d.go(Phase::need_submit);
    d.note = event.adopted_id.empty() ? "key is on the token"
                                      : "existing key " + to_hex(event.adopted_id) + " is on the token";
    prepare(d);
}

void on(Decision& d, const RequestPrepared& event) {
    if (d.next.phase != Phase::need_submit || d.next.enrollment->transaction || d.next.enrollment->refused) {
        return;
    }
    d.next.enrollment->transaction = event.transaction;
    d.next.enrollment->transaction->configuration_mark = d.policy.configuration_mark;
    d.next.enrollment->transaction->prepared_at = d.now;
    d.next.enrollment->transaction->sends = 0;
    d.next.enrollment->transaction->polls = 0;
    d.next.enrollment->transaction->pending = false;
    d.note = "request prepared, transaction " + event.transaction.id.value;
    send(d);
}

void on(Decision& d, const RecipientChanged& /*event*/) {
    if (d.next.phase != Phase::need_submit || !d.next.enrollment->transaction) {
        return;
    }
    d.next.enrollment->transaction.reset();
    d.note = "the CA's encryption certificate changed, a new request begins";
    prepare(d);
}

bool awaits_answer(const IdentityState& state) {
    return (state.phase == Phase::need_submit || state.phase == Phase::pending) && state.enrollment->transaction;
}

void count_message(Decision& d) {
    if (d.next.phase == Phase::need_submit) {
        ++d.next.counters.messages;
    }
}

void on(Decision& d, const CertificateIssued& event) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    forget_refusals(d);
    ++d.next.counters.certificates;
    d.next.enrollment->issued = event.issued;
    ++d.next.last_generation;
    d.go(Phase::need_publish);
    d.note = "certificate issued, valid until " + to_iso8601(event.issued.not_after);
    d.effects.emplace_back(PublishGeneration{d.next.last_generation});
}

void on(Decision& d, const RequestPending& /*event*/) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    forget_refusals(d);
    const bool first = !d.next.enrollment->transaction->pending;
    d.go(Phase::pending);
    d.next.enrollment->transaction->pending = true;
    d.next.failure.reset();
    d.next.counters.failures = 0;
    d.next.wait = Wait{WaitingFor::ca, d.now + poll_interval(d.policy.poll, d.next.enrollment->transaction->polls)};
    d.note = first ? "the CA answered PENDING" : "";
}

void on(Decision& d, const RequestRejected& event) {
    if (!awaits_answer(d.next)) {
        return;
    }
    count_message(d);
    ++d.next.counters.failures;
    d.next.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    d.note = event.error.line();
    // FI-2: permanent for this request; the challenge may be used up, so nothing of it is sent again.
    auto& enrollment = *d.next.enrollment;
    const Transaction request = *std::exchange(enrollment.transaction, std::nullopt);
    if (doubts_authority(event) && !enrollment.retried_for_authority && !over_cap(d)) {
        enrollment.refused =
            RefusedRequest{request.recipient, request.digest, request.cipher, request.configuration_mark};
        return reconsider(d);
    }
    hold(d, HoldReason::rejected);
}

void on(Decision& d, const AuthorityReconsidered& event) {
    if (d.next.phase != Phase::need_submit || !d.next.enrollment->refused) {
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
    d.go(Phase::need_submit);
    d.note = "the CA that refused the request has changed, a new request begins";
    prepare(d);
}

void on(Decision& d, const GenerationPublished& event) {
    if (d.next.phase != Phase::need_publish || event.generation != d.next.last_generation) {
        return;
    }
    d.next.current = Credential{d.next.enrollment->key, *d.next.enrollment->issued, event.generation, d.now};
    d.next.enrollment.reset();
    d.next.counters = {};
    d.next.failure.reset();
    d.go(Phase::valid);
    d.note = fmt::format("generation {} published", event.generation);
}

void on(Decision& d, const EffectFailed& event) {
    if (d.next.phase == Phase::valid || d.next.phase == Phase::held || d.next.phase == Phase::unenrolled) {
        return;
    }
    ++d.next.counters.failures;
    d.next.counters.messages += event.answered && d.next.phase == Phase::need_submit ? 1 : 0;
    d.next.counters.certificates += event.issued ? 1 : 0;
    if (!d.next.enrollment->refused) {
        // Otherwise the refusal is still what stands between the identity and its certificate.
        d.next.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    }
    d.note = event.error.line();
    if (event.error.code() == ErrorCode::token_key_policy) {
        hold(d, HoldReason::key_refused);
    } else if (over_cap(d)) {
        hold(d, HoldReason::message_cap);
    } else {
        const Seconds wait = backoff(d.policy, d.next.counters.failures, d.draw.fraction);
        d.next.wait = Wait{waiting_for(event.error.info().remedy),
                           d.now + std::max(wait, event.error.retry_after().value_or(wait))};
        if (event.error.retry_after()) {
            d.next.wait.retry_after = RetryAfter{d.now + *event.error.retry_after(), d.policy.configuration_mark};
        }
    }
}

void on(Decision& d, const Resumed& /*event*/) {
    const bool held = d.next.phase == Phase::held;
    const bool asked = d.next.wait.retry_after.has_value();
    if (!held && !asked && d.next.wait.reason != WaitingFor::pin) {
        return;
    }
    if (held) {
        release(d);
    }
    d.next.wait = Wait{WaitingFor::timer, d.now + Seconds(1)};
    d.note = held    ? "released by an operator"
             : asked ? "an operator ended the wait that the CA asked for"
                     : "an operator has corrected the PIN";
}

}  // namespace

Phase phase_of(const std::optional<Enrollment>& enrollment) {
    if (!enrollment) {
        return Phase::unenrolled;
    }
    if (enrollment->issued) {
        return Phase::need_publish;
    }
    if (enrollment->key.spki.empty()) {
        return Phase::need_key;
    }
    return enrollment->transaction && enrollment->transaction->pending ? Phase::pending : Phase::need_submit;
}

bool doubts_authority(const Event& outcome) {
    if (const auto* rejected = std::get_if<RequestRejected>(&outcome)) {
        return rejected->fail_info == scep::FailInfo::bad_alg ||
               rejected->fail_info == scep::FailInfo::bad_message_check;
    }
    const auto* failed = std::get_if<EffectFailed>(&outcome);
    if (failed == nullptr) {
        return false;
    }
    const ErrorCode code = failed->error.code();
    return code == ErrorCode::scep_signer || code == ErrorCode::ca_algorithm || code == ErrorCode::ca_http_refused;
}

Transition step(const IdentityState& state, const Event& event, const Draw& draw, const Policy& policy, TimePoint now) {
    Decision decision{draw, policy, now, state};
    std::visit([&](const auto& alternative) { on(decision, alternative); }, event);
    return {std::move(decision.next), std::move(decision.effects), std::move(decision.note)};
}

}  // namespace hwenroll::lifecycle
