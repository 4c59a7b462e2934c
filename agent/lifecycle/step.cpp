#include "agent/lifecycle/step.h"

#include <algorithm>
#include <utility>

#include "agent/lifecycle/attempt.h"
#include "agent/lifecycle/publication.h"

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds overdue_after{60};
constexpr Seconds clock_skew{300};
constexpr Seconds day{86400};
constexpr Seconds year = 365 * day;

/// C9: a certificate that comes so late in its life that it is due at once would be followed by another one at once.
TimePoint renewal_point(const Credential& credential, const Policy& policy) {
    const Seconds left = std::max(Seconds(0), Seconds(credential.issued.not_after - credential.published_at));
    const Seconds pause = std::min(lifetime(credential.issued) / 50, left / 2);
    return std::max(renewal_due(credential, policy.renew_at, policy.jitter_percent), credential.published_at + pause);
}

/// By a clock that was ahead consumers were led to the successor's certificate before its time (K10).
bool is_too_early(const Decision& d) {
    const IssuedRecord& issued = d.next.current->issued;
    return d.policy.clock_trusted && d.now + scaled(clock_skew, lifetime(issued)) < issued.not_before;
}

/// The CA has gone over to its successor, and the certificate is still its predecessor's.
bool is_left_behind(const IdentityState& state, const Policy& policy) {
    const auto& anchors = state.current->issued.anchors;
    return !anchors.empty() && std::ranges::find(policy.authority.left, anchors.front()) != policy.authority.left.end();
}

bool differs(const Bytes& made_under, const Bytes& now) {
    return !made_under.empty() && made_under != now;
}

/// A certificate that only a successor of the CA can better (REN-1).
bool needs_successor(const IdentityState& state, const Policy& policy) {
    return !policy.authority.anchor.empty() &&
           is_capped(state.current->issued, policy.authority.not_after, policy.rollover_tolerance);
}

/// REN-1, ROLL-4: the successor's certificate, once there is a successor.
void begin_shadow(Decision& d) {
    if (d.next.shadow) {
        return;
    }
    if (d.policy.authority.next) {
        return begin(d, Purpose::shadow);
    }
    if (d.now >= d.next.seek_after) {
        d.next.seek_after =
            d.now + successor_search_interval(d.policy.authority.not_before, d.policy.authority.not_after);
        d.emit(SeekSuccessor{});
    }
}

/// Nothing is under way: begins what is due.
void plan(Decision& d) {
    if (d.next.enrollment || d.next.next || d.next.hold) {
        return;
    }
    if (!d.next.current) {
        return begin(d, Purpose::first);
    }
    const Credential& current = *d.next.current;
    if (d.next.wish == Wish::enroll || d.next.revoked || is_expired(d.next, d.now)) {
        return begin(d, Purpose::reenrollment);
    }
    if (is_too_early(d) || (is_left_behind(d.next, d.policy) && !d.next.shadow)) {
        return begin(d, Purpose::reenrollment);
    }
    if (differs(current.name_mark, d.policy.name_mark)) {
        d.next.wish = Wish::enroll;
        return begin(d, Purpose::reenrollment);
    }
    if (d.next.wish != Wish::nothing) {
        return begin(d, Purpose::renewal);
    }
    if (differs(current.content_mark, d.policy.content_mark)) {
        d.next.wish = Wish::rekey;
        return begin(d, Purpose::renewal);
    }
    if (d.now < renewal_point(current, d.policy)) {
        return;
    }
    if (needs_successor(d.next, d.policy)) {
        return begin_shadow(d);
    }
    begin(d, Purpose::renewal);
}

std::optional<RaiseAlert::Kind> alarm(const Decision& d) {
    const IdentityState& state = d.next;
    if (state.hold) {
        return RaiseAlert::Kind::held;
    }
    if (state.delivery && state.delivery->failures > 0) {
        return RaiseAlert::Kind::delivery;
    }
    if (!state.current || state.next || !d.policy.clock_trusted) {
        return std::nullopt;
    }
    if (is_expired(state, d.now)) {
        return RaiseAlert::Kind::expired;
    }
    const Seconds patience = scaled(overdue_after, lifetime(state.current->issued));
    const TimePoint point = point_in(state.current->issued, d.policy.renew_at) + patience;
    return d.now >= point && !state.shadow ? std::optional(RaiseAlert::Kind::overdue) : std::nullopt;
}

TimePoint alert_due(const IdentityState& state) {
    if (!state.alerted_at) {
        return {};
    }
    const TimePoint end = state.current ? state.current->issued.not_after : *state.alerted_at;
    const TimePoint due = next_alert(*state.alerted_at, end);
    return *state.alerted_at < end ? std::min(due, end) : due;
}

/// Invariant 11: failure is loud.
void raise_alerts(Decision& d) {
    const auto kind = alarm(d);
    if (kind && d.now >= alert_due(d.next)) {
        d.next.alerted_at = d.now;
        d.emit(RaiseAlert{*kind});
    }
}

/// No wait is longer than this, so one that ends later was begun by a clock that was ahead.
Seconds longest_wait(const Policy& policy) {
    return std::max({day, policy.hold_retry, policy.backoff_longest, policy.poll.longest});
}

bool was_begun_ahead(const Decision& d, const Wait& wait) {
    const bool failed_later = d.next.failure && d.next.failure->at > d.now;
    return wait.reason != WaitingFor::nothing &&
           (failed_later || (!wait.retry_after && wait.until > d.now + longest_wait(d.policy)));
}

/// K2, K3: what a clock that was ahead has put off for years is due again once the clock is right.
void forget_times_ahead(Decision& d) {
    if (!d.policy.clock_trusted) {
        return;
    }
    IdentityState& state = d.next;
    if (was_begun_ahead(d, state.wait)) {
        state.wait.until = d.now;
        state.wait.retry_after.reset();
    }
    if (state.failure) {
        state.failure->at = std::min(state.failure->at, d.now);
    }
    if (state.enrollment && state.enrollment->transaction) {
        TimePoint& prepared_at = state.enrollment->transaction->prepared_at;
        prepared_at = std::min(prepared_at, d.now);
    }
    if (state.current) {
        state.current->published_at = std::min(state.current->published_at, d.now);
    }
    if (state.publish_after > d.now + longest_wait(d.policy)) {
        state.publish_after = {};
    }
    if (state.seek_after > d.now + day) {
        state.seek_after = {};
    }
    if (state.alerted_at && *state.alerted_at > d.now) {
        state.alerted_at.reset();
    }
    if (state.delivery && state.delivery->next_try > d.now + day) {
        state.delivery->next_try = d.now;
    }
    for (RetiredKey& retired : state.retired) {
        if (retired.destroy_at && *retired.destroy_at > d.now + std::max(day, d.policy.retire_after)) {
            retired.destroy_at = d.now + d.policy.retire_after;
        }
    }
}

bool attempt_is_due(const Decision& d) {
    return d.next.enrollment && !d.next.hold &&
           (d.next.wait.reason == WaitingFor::nothing || d.now >= d.next.wait.until);
}

bool works(const Decision& d) {
    return std::ranges::any_of(d.effects,
                               [](const Effect& effect) { return !std::holds_alternative<RaiseAlert>(effect); });
}

/// Begins at most one thing of all that is due.
void advance(Decision& d) {
    forget_times_ahead(d);
    if (d.next.hold && is_released(d)) {
        const bool changed = d.next.hold->configuration_mark != d.policy.configuration_mark;
        release(d);
        d.note = changed ? "released: the configuration changed" : "released for one retry";
    }
    if (publish(d) || deliver(d)) {
        return;
    }
    if (attempt_is_due(d)) {
        go_on(d);
    }
    if (!works(d) && !destroy(d)) {
        plan(d);
    }
}

/// A generation number is never used twice, whatever became of the database or the directory. Numbers of generations
/// that were switched to stay as they are; a directory that is not `current` is still the agent's to replace.
void take_generations(Decision& d, const Started& event) {
    if (d.next.current && !d.next.next && !event.shown) {
        d.next.last_generation = std::max(d.next.last_generation, event.highest_generation);
        d.note = "what was published is gone or damaged, it is published again";
        return queue(d, *d.next.current);
    }
    if (!d.next.next) {
        d.next.last_generation = std::max(d.next.last_generation, event.highest_generation);
        return;
    }
    const bool taken = !event.shown && (event.highest_generation > d.next.last_generation ||
                                        event.current_generation == d.next.last_generation);
    d.next.last_generation = std::max(d.next.last_generation, event.highest_generation) + (taken ? 1 : 0);
    d.next.next->generation = d.next.last_generation;
}

void on(Decision& d, const Started& event) {
    take_generations(d, event);
    d.next.publish_after = {};
    d.settled = true;
    if (d.next.delivery) {
        d.next.delivery->next_try = std::min(d.next.delivery->next_try, d.now);
    }
    if (d.next.hold || !d.next.enrollment || d.next.next) {
        return;
    }
    // A backoff does not outlive the process; go_on() knows what does.
    go_on(d);
}

void on(Decision& d, const Due& /*event*/) {
    d.settled = true;
}

void on(Decision& d, const SuccessorSought& /*event*/) {
    d.settled = true;
}

void on(Decision& d, const Resumed& /*event*/) {
    const bool held = d.next.hold.has_value();
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

/// O6: a wish while something is under way is that thing; a hold ends.
void wish(Decision& d, Wish what) {
    d.settled = true;
    if (d.next.hold) {
        release(d);
    }
    if (d.next.enrollment || d.next.next) {
        d.note = "asked for by an operator, already under way";
        return;
    }
    d.next.wish = what;
    d.note = "asked for by an operator";
}

void on(Decision& d, const RenewalWanted& event) {
    wish(d, event.rekey ? Wish::rekey : Wish::renew);
}

void on(Decision& d, const EnrollmentWanted& /*event*/) {
    wish(d, Wish::enroll);
}

void on(Decision& d, const CertificateRevoked& /*event*/) {
    if (!d.next.current || d.next.revoked) {
        return;
    }
    d.next.revoked = true;
    d.settled = true;
    d.note = "the current certificate is revoked";
}

}  // namespace

void clear_wait(Decision& d) {
    d.next.wait = {};
}

Seconds life_at_hand(const IdentityState& state) {
    return state.current ? lifetime(state.current->issued) : 100 * year;
}

Seconds backoff(const Decision& d, std::uint32_t failures) {
    const Seconds life = life_at_hand(d.next);
    const Seconds first = scaled(d.policy.backoff_first, life);
    Seconds step = doubled(first, d.policy.backoff_longest, failures == 0 ? 0 : failures - 1);
    if (d.next.current && d.now < d.next.current->issued.not_after) {
        step = std::min(step, std::max(Seconds(1), Seconds(d.next.current->issued.not_after - d.now) / 10));
    }
    return spread(step, d.draw.fraction);
}

bool is_expired(const IdentityState& state, TimePoint now) {
    return state.current && now >= state.current->issued.not_after;
}

Phase phase_of(const std::optional<Enrollment>& enrollment) {
    if (!enrollment) {
        return Phase::unenrolled;
    }
    if (enrollment->key.spki.empty()) {
        return Phase::need_key;
    }
    return enrollment->transaction && enrollment->transaction->pending ? Phase::pending : Phase::need_submit;
}

Phase attempt_phase(const IdentityState& state) {
    if (state.hold) {
        return Phase::held;
    }
    if (state.enrollment) {
        return phase_of(state.enrollment);
    }
    if (state.next) {
        return Phase::need_publish;
    }
    return state.current ? Phase::valid : Phase::unenrolled;
}

Phase overall_phase(const IdentityState& state) {
    return state.current ? Phase::valid : attempt_phase(state);
}

std::optional<TimePoint> renewal_time(const IdentityState& state, const Policy& policy) {
    return state.current ? std::optional(renewal_point(*state.current, policy)) : std::nullopt;
}

std::optional<TimePoint> next_due(const IdentityState& state, const Policy& policy) {
    std::vector<TimePoint> times = publication_times(state, policy);
    if (state.hold || state.enrollment) {
        times.push_back(state.wait.reason == WaitingFor::nothing ? TimePoint{} : state.wait.until);
    } else if (!state.current && !state.next) {
        times.emplace_back();
    } else if (state.current && !state.next) {
        const bool follows = needs_successor(state, policy);
        const TimePoint renewal = renewal_point(*state.current, policy);
        if (!follows || !state.shadow) {
            times.push_back(follows && !policy.authority.next ? std::max(renewal, state.seek_after) : renewal);
        }
    }
    if (state.current) {
        const TimePoint end = state.current->issued.not_after;
        if (!state.alerted_at || *state.alerted_at < end) {
            times.push_back(end);
        }
        if (!state.next && !state.shadow) {
            times.push_back(std::max(alert_due(state), point_in(state.current->issued, policy.renew_at) +
                                                           scaled(overdue_after, lifetime(state.current->issued))));
        }
    } else if (state.hold) {
        times.push_back(alert_due(state));
    }
    return *std::ranges::min_element(times);
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
    if (decision.settled && !works(decision)) {
        advance(decision);
    }
    if (decision.settled) {
        raise_alerts(decision);
    }
    decision.next.phase = overall_phase(decision.next);
    return {std::move(decision.next), std::move(decision.effects), std::move(decision.note)};
}

}  // namespace hwenroll::lifecycle
