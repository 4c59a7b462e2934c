#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/authority_state.h"

namespace hwenroll::lifecycle {
namespace {

constexpr std::size_t most_left = 4;

struct AuthorityDecision {
    AuthorityTransition t;
    const AuthorityPolicy& policy;
    TimePoint now;

    AuthorityState& state() { return t.state; }
};

bool is_trusted(const AuthorityState& state) {
    return state.phase != AuthorityPhase::untrusted && state.current;
}

/// After a rollover the stored successor counts as long as the operator has not changed the pins (design).
bool still_pinned(const AuthorityState& state, const AuthorityPolicy& policy) {
    const bool configured = std::ranges::find(policy.pinned, state.current->anchor_fingerprint) != policy.pinned.end();
    return configured || (!state.pins_at_switch.empty() && state.pins_at_switch == policy.pinned);
}

AuthorityPhase phase_with(const AuthorityState& state) {
    if (state.next) {
        return AuthorityPhase::next_known;
    }
    return state.pins_at_switch.empty() ? AuthorityPhase::trusted : AuthorityPhase::switched;
}

std::string name_of(const Bytes& fingerprint) {
    return "SHA256:" + to_hex(fingerprint, ':');
}

std::uint64_t next_generation(AuthorityState& state) {
    const std::uint64_t known = state.current ? state.current->generation : 0;
    state.last_generation = std::max(state.last_generation, known) + 1;
    return state.last_generation;
}

bool has_left(const AuthorityState& state, const Bytes& fingerprint) {
    return std::ranges::any_of(state.left, [&](const LeftAnchor& one) { return one.fingerprint == fingerprint; });
}

/// What is replaced by a CA with this anchor is remembered, so that identities see that theirs is the old one.
void leave_current(AuthorityState& state, const Bytes& for_fingerprint) {
    std::erase_if(state.left, [&](const LeftAnchor& one) {
        return one.fingerprint == for_fingerprint || one.fingerprint == state.current->anchor_fingerprint;
    });
    state.left.push_back({state.current->anchor, state.current->anchor_fingerprint, state.current->not_after});
    if (state.left.size() > most_left) {
        state.left.erase(state.left.begin());
    }
}

/// K10: the CA that a clock ahead has led to is the successor that it was before, and trusted as such.
AuthorityRecord as_successor(AuthorityRecord record) {
    record.capabilities.clear();
    return record;
}

void drop_candidate(AuthorityState& state) {
    state.candidate.reset();
    state.candidate_told_at.reset();
}

/// Invariant 11: when people are told of the candidate, for the first time or again.
TimePoint telling_time(const AuthorityState& state) {
    return state.candidate_told_at ? next_alert(*state.candidate_told_at, state.current->not_after) : TimePoint{};
}

void tell_of_candidate(AuthorityDecision& d) {
    AuthorityState& state = d.state();
    const bool told_in_future = state.candidate_told_at && *state.candidate_told_at > d.now;
    if (state.candidate && (told_in_future || d.now >= telling_time(state))) {
        state.candidate_told_at = d.now;
        d.t.alert = true;
    }
}

/// The successor takes over.
void go_over(AuthorityDecision& d, AuthorityRecord record) {
    AuthorityState& state = d.state();
    leave_current(state, record.anchor_fingerprint);
    d.t.note = fmt::format("the CA has been succeeded: {} takes the place of {}", name_of(record.anchor_fingerprint),
                           name_of(state.current->anchor_fingerprint));
    record.generation =
        record.certificates == state.next->certificates ? state.next->generation : next_generation(state);
    record.capabilities = state.current->capabilities;
    if (state.candidate && state.candidate->anchor_fingerprint == record.anchor_fingerprint) {
        drop_candidate(state);
    }
    state.current = std::move(record);
    state.next.reset();
    state.pins_at_switch = d.policy.pinned;
    state.sought_at = {};
    // ROLL-16: capabilities and certificates are asked for again before the next request.
    state.current->fetched_at = {};
    state.phase = AuthorityPhase::switched;
}

/// ROLL-14. ROLL-13's `switch_at` is about shadows: a CA that went over before its end would leave every identity
/// behind that has none yet.
TimePoint switch_time(const AuthorityState& state) {
    return std::max(state.current->not_after, state.next->not_before);
}

bool may_seek(const AuthorityState& state, const AuthorityPolicy& policy) {
    return is_trusted(state) && policy.announces_successor && state.current->not_after > state.current->not_before;
}

TimePoint seek_time(const AuthorityState& state) {
    const AuthorityRecord& ca = *state.current;
    const TimePoint begin = successor_search_begin(ca.not_before, ca.not_after);
    return state.sought_at == TimePoint{}
               ? begin
               : std::max(begin, state.sought_at + successor_search_interval(ca.not_before, ca.not_after));
}

void seek(AuthorityDecision& d) {
    d.state().sought_at = d.now;
    d.t.seek = true;
}

void on(AuthorityDecision& d, const AuthorityNeeded& /*event*/) {
    AuthorityState& state = d.state();
    if (state.current && state.phase != AuthorityPhase::untrusted && !still_pinned(state, d.policy)) {
        // The operator pinned another certificate: what was trusted under the old one counts no more.
        state.phase = AuthorityPhase::untrusted;
        state.next.reset();
        drop_candidate(state);
        state.pins_at_switch.clear();
        d.t.note = "the configured fingerprint changed";
    }
    d.t.fetch = state.phase == AuthorityPhase::untrusted || d.now < state.current->fetched_at ||
                d.now >= state.current->fetched_at + d.policy.capabilities_lifetime;
    // A clock that went back must not make the wait longer than it was.
    if (d.t.fetch && state.not_before && d.now < *state.not_before && d.now >= state.failure->at) {
        d.t.fetch = false;
        d.t.refused_for = *state.not_before - d.now;
    }
}

void on(AuthorityDecision& d, const AuthorityFetched& event) {
    AuthorityState& state = d.state();
    const bool changed = !state.current || state.current->certificates != event.record.certificates;
    const bool same_anchor = state.current && state.current->anchor_fingerprint == event.record.anchor_fingerprint;
    const bool returns = may_return_to(state, event.record.anchor_fingerprint, d.policy, d.now);
    if (is_trusted(state) && still_pinned(state, d.policy) && !state.pins_at_switch.empty() &&
        has_left(state, event.record.anchor_fingerprint) && !returns) {
        // ROLL-8: a server that lags behind, or a replay.
        d.t.note = name_of(event.record.anchor_fingerprint) + " is a CA that was succeeded, it is not trusted again";
        return;
    }
    const std::uint64_t generation = changed ? next_generation(state) : state.current->generation;
    if (!same_anchor) {
        // A configured pin has brought another CA: nothing that the old one promised counts.
        if (state.current && !state.current->anchor.empty() && event.record.not_after > state.current->not_after) {
            leave_current(state, event.record.anchor_fingerprint);
        }
        // ROLL-8: only what a rollover has brought, under the pins of today; not what a pin of before stood for.
        const bool succeeds = returns && state.pins_at_switch == d.policy.pinned && !state.pins_at_switch.empty() &&
                              event.record.not_after <= state.current->not_after;
        state.next = succeeds ? std::optional(as_successor(*state.current)) : std::nullopt;
        drop_candidate(state);
        state.sought_at = {};
        if (!returns) {
            state.pins_at_switch.clear();
        }
    }
    state.current = event.record;
    state.current->generation = generation;
    // What was left too early, by a clock that was ahead, is not left while it is in office.
    std::erase_if(state.left,
                  [&](const LeftAnchor& left) { return left.fingerprint == event.record.anchor_fingerprint; });
    state.current->fetched_at = d.now;
    state.last_generation = std::max(state.last_generation, generation);
    state.failure.reset();
    state.not_before.reset();
    state.phase = phase_with(state);
    if (changed) {
        d.t.note = fmt::format("generation {} trusted by {}", generation, name_of(event.record.anchor_fingerprint));
    }
}

void on(AuthorityDecision& d, const AuthorityFailed& event) {
    // Invariant 10: a failed fetch neither trusts nor distrusts.
    AuthorityState& state = d.state();
    state.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    state.not_before.reset();
    if (event.error.retry_after()) {
        state.not_before = d.now + *event.error.retry_after();
    }
    d.t.note = event.error.line();
}

void on(AuthorityDecision& d, const AuthorityDoubted& /*event*/) {
    if (d.state().current) {
        d.state().current->fetched_at = {};
    }
}

void on(AuthorityDecision& d, const AuthorityTick& /*event*/) {
    AuthorityState& state = d.state();
    if (!is_trusted(state) || !still_pinned(state, d.policy)) {
        return;
    }
    if (state.next && d.policy.clock_trusted && d.now >= switch_time(state)) {
        return go_over(d, *state.next);
    }
    tell_of_candidate(d);
    // The successor is asked for again while it is known: it may be replaced before its time (C20).
    if (may_seek(state, d.policy) && (d.now >= seek_time(state) || d.now < state.sought_at)) {
        seek(d);
    }
}

void on(AuthorityDecision& d, const SuccessorNeeded& /*event*/) {
    if (may_seek(d.state(), d.policy) && !d.state().next) {
        seek(d);
    }
}

/// The successor is trusted from now on and waits for its time.
void take_successor(AuthorityDecision& d, const AuthorityRecord& record) {
    AuthorityState& state = d.state();
    const std::string before = state.next ? name_of(state.next->anchor_fingerprint) : std::string();
    state.next = record;
    state.next->generation = next_generation(state);
    state.next->fetched_at = d.now;
    state.phase = AuthorityPhase::next_known;
    d.t.note = fmt::format("successor {} known, valid from {}", name_of(record.anchor_fingerprint),
                           to_iso8601(record.not_before));
    if (!before.empty() && before != name_of(record.anchor_fingerprint)) {
        d.t.note += ", in place of " + before;
    }
}

/// ROLL-8: verified, and still not trusted.
void keep_candidate(AuthorityDecision& d, const AuthorityRecord& record) {
    AuthorityState& state = d.state();
    if (state.candidate && state.candidate->certificates == record.certificates) {
        return;
    }
    drop_candidate(state);
    state.candidate = record;
    state.candidate->fetched_at = d.now;
    d.t.note = fmt::format("successor {} announced, valid from {}; it waits for an operator's word",
                           name_of(record.anchor_fingerprint), to_iso8601(record.not_before));
    tell_of_candidate(d);
}

void on(AuthorityDecision& d, const SuccessorFetched& event) {
    AuthorityState& state = d.state();
    // ROLL-8: neither the current CA nor one that was used before it.
    if (!is_trusted(state) || event.record.anchor_fingerprint == state.current->anchor_fingerprint ||
        has_left(state, event.record.anchor_fingerprint)) {
        return;
    }
    state.seek_failure.reset();
    if (state.next && state.next->certificates == event.record.certificates) {
        // What was announced in between is not any more.
        return drop_candidate(state);
    }
    if (d.policy.operator_accepts) {
        return keep_candidate(d, event.record);
    }
    drop_candidate(state);
    take_successor(d, event.record);
}

void on(AuthorityDecision& d, const SuccessorAccepted& /*event*/) {
    AuthorityState& state = d.state();
    if (!is_trusted(state) || !still_pinned(state, d.policy) || !state.candidate) {
        return;
    }
    const AuthorityRecord record = *std::exchange(state.candidate, std::nullopt);
    drop_candidate(state);
    take_successor(d, record);
    d.t.note += ", accepted by an operator";
}

void on(AuthorityDecision& d, const SuccessorMissing& event) {
    const bool repeated = d.state().seek_failure && d.state().seek_failure->code() == event.error.code();
    d.state().seek_failure = event.error;
    d.t.note = repeated ? std::string() : event.error.line();
}

void on(AuthorityDecision& d, const SuccessorInOffice& event) {
    AuthorityState& state = d.state();
    if (!is_trusted(state) || !state.next || state.next->anchor_fingerprint != event.record.anchor_fingerprint ||
        !d.policy.clock_trusted || !still_pinned(state, d.policy)) {
        return;
    }
    go_over(d, event.record);
}

}  // namespace

AuthorityTransition step(const AuthorityState& state, const AuthorityEvent& event, const AuthorityPolicy& policy,
                         TimePoint now) {
    AuthorityDecision decision{{state, false, {}, false, {}, false}, policy, now};
    std::visit([&](const auto& alternative) { on(decision, alternative); }, event);
    return std::move(decision.t);
}

bool may_return_to(const AuthorityState& state, const Bytes& anchor_fingerprint, const AuthorityPolicy& policy,
                   TimePoint now) {
    if (!policy.clock_trusted || !is_trusted(state)) {
        return false;
    }
    return std::ranges::any_of(state.left, [&](const LeftAnchor& left) {
        return left.fingerprint == anchor_fingerprint && now < left.not_after;
    });
}

std::string candidate_text(const AuthorityState& state, const std::string& authority) {
    if (!state.candidate) {
        return {};
    }
    return fmt::format(
        "CA '{}' announces its successor {}, valid from {}; compare the fingerprint with the CA's operator, then run "
        "'hwenroll ca accept-next {}'",
        authority, name_of(state.candidate->anchor_fingerprint), to_iso8601(state.candidate->not_before), authority);
}

AuthorityFacts facts_of(const AuthorityState& state, TimePoint now) {
    AuthorityFacts facts;
    if (!is_trusted(state)) {
        return facts;
    }
    facts.anchor = state.current->anchor;
    facts.not_before = state.current->not_before;
    facts.not_after = state.current->not_after;
    if (state.next) {
        facts.next = AuthorityFacts::Successor{state.next->anchor, state.next->not_before};
        facts.overlaps.push_back(state.next->anchor);
    }
    for (const LeftAnchor& left : state.left) {
        facts.left.push_back(left.anchor);
        if (now < left.not_after) {
            facts.overlaps.push_back(left.anchor);
        }
    }
    return facts;
}

std::optional<TimePoint> next_due(const AuthorityState& state, const AuthorityPolicy& policy) {
    std::optional<TimePoint> due;
    if (!is_trusted(state) || !still_pinned(state, policy)) {
        return due;
    }
    if (may_seek(state, policy)) {
        due = seek_time(state);
    }
    if (state.next && policy.clock_trusted) {
        const TimePoint over = switch_time(state);
        due = due ? std::min(*due, over) : over;
    }
    if (state.candidate) {
        const TimePoint telling = telling_time(state);
        due = due ? std::min(*due, telling) : telling;
    }
    return due;
}

}  // namespace hwenroll::lifecycle
