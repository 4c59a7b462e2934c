#include <algorithm>

#include <fmt/format.h>

#include "agent/lifecycle/authority_state.h"

namespace hwenroll::lifecycle {
namespace {

bool still_pinned(const AuthorityRecord& record, const AuthorityPolicy& policy) {
    return std::ranges::find(policy.pinned, record.anchor_fingerprint) != policy.pinned.end();
}

void on(AuthorityTransition& t, const AuthorityNeeded& /*event*/, const AuthorityPolicy& policy, TimePoint now) {
    const auto& record = t.state.current;
    if (record && !still_pinned(*record, policy)) {
        // The operator pinned another certificate: what was trusted under the old one counts no more.
        t.state.phase = AuthorityPhase::untrusted;
        t.note = "the configured fingerprint changed";
    }
    t.fetch = t.state.phase == AuthorityPhase::untrusted || now < record->fetched_at ||
              now >= record->fetched_at + policy.capabilities_lifetime;
    // A clock that went back must not make the wait longer than it was.
    if (t.fetch && t.state.not_before && now < *t.state.not_before && now >= t.state.failure->at) {
        t.fetch = false;
        t.refused_for = *t.state.not_before - now;
    }
}

void on(AuthorityTransition& t, const AuthorityFetched& event, const AuthorityPolicy& /*policy*/, TimePoint now) {
    const std::uint64_t last = t.state.current ? t.state.current->generation : 0;
    const bool changed = !t.state.current || t.state.current->certificates != event.record.certificates;
    t.state.phase = AuthorityPhase::trusted;
    t.state.current = event.record;
    t.state.current->generation = changed ? last + 1 : last;
    t.state.current->fetched_at = now;
    t.state.failure.reset();
    t.state.not_before.reset();
    if (changed) {
        t.note = fmt::format("generation {} trusted by SHA256:{}", t.state.current->generation,
                             to_hex(t.state.current->anchor_fingerprint, ':'));
    }
}

void on(AuthorityTransition& t, const AuthorityFailed& event, const AuthorityPolicy& /*policy*/, TimePoint now) {
    // Invariant 10: a failed fetch neither trusts nor distrusts.
    t.state.failure = FailureRecord{event.error.code(), event.error.line(), now};
    t.state.not_before.reset();
    if (event.error.retry_after()) {
        t.state.not_before = now + *event.error.retry_after();
    }
    t.note = event.error.line();
}

void on(AuthorityTransition& t, const AuthorityDoubted& /*event*/, const AuthorityPolicy& /*policy*/,
        TimePoint /*now*/) {
    if (t.state.current) {
        t.state.current->fetched_at = {};
    }
}

}  // namespace

AuthorityTransition step(const AuthorityState& state, const AuthorityEvent& event, const AuthorityPolicy& policy,
                         TimePoint now) {
    AuthorityTransition transition{state, false, {}, {}};
    std::visit([&](const auto& alternative) { on(transition, alternative, policy, now); }, event);
    return transition;
}

}  // namespace hwenroll::lifecycle
