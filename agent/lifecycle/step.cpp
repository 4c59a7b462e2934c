#include "agent/lifecycle/step.h"

#include <algorithm>
#include <utility>

#include "agent/lifecycle/attempt.h"
#include "agent/lifecycle/publication.h"
#include "agent/lifecycle/request.h"

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds minute{60};
constexpr Seconds day{86400};
constexpr Seconds overdue_after = minute;
constexpr Seconds clock_skew{300};
constexpr Seconds year = 365 * day;

/// C9: a certificate that comes so late in its life that it is due at once would be followed by another one at once.
TimePoint end_of_pause(const Credential& credential) {
    const TimePoint from = std::min(credential.published_at, credential.issued.not_after);
    return from + std::min(lifetime(credential.issued) / 50, Seconds(credential.issued.not_after - from) / 2);
}

TimePoint renewal_point(const Credential& credential, const Policy& policy) {
    return std::max(renewal_due(credential, policy.renew_at, policy.jitter_percent), end_of_pause(credential));
}

/// By a clock that was ahead consumers were led to the successor's certificate before its time (K10).
bool is_too_early(const Decision& d, const Credential& credential) {
    const IssuedRecord& issued = credential.issued;
    return d.policy.clock_trusted && d.now + scaled(clock_skew, lifetime(issued)) < issued.not_before;
}

/// K10: what waits to be published leads nobody back that is not valid yet itself.
bool queue_is_too_early(const Decision& d) {
    return d.next.current && is_too_early(d, *d.next.current) && is_too_early(d, *d.next.next);
}

/// K10: what waits to be published is of another CA, to which a clock ahead has led too early, and begins after the end
/// of the current certificate. Not what is tried again after that end: its publication failed.
bool queue_leaves_gap(const IdentityState& state, const Policy& policy) {
    if (!policy.clock_trusted || !state.current || !state.next) {
        return false;
    }
    const IssuedRecord& current = state.current->issued;
    const IssuedRecord& queued = state.next->issued;
    const bool same_ca =
        current.anchors.empty() || queued.anchors.empty() || current.anchors.front() == queued.anchors.front();
    return !same_ca && state.publish_after < current.not_after &&
           queued.not_before > current.not_after + scaled(policy.rollover_tolerance, lifetime(current));
}

bool differs(const Bytes& made_under, const Bytes& now) {
    return !made_under.empty() && made_under != now;
}

/// A certificate that only a successor of the CA can better (REN-1).
bool needs_successor(const IdentityState& state, const Policy& policy) {
    return !policy.authority.anchor.empty() &&
           (is_ahead(state, policy) ||
            is_capped(state.current->issued, policy.authority.not_after, policy.rollover_tolerance));
}

/// ROLL-14: the shadow is valid when the current certificate ends, or as good as.
bool shadow_bridges(const IdentityState& state, const Policy& policy) {
    const IssuedRecord& current = state.current->issued;
    return state.shadow && state.shadow->credential.issued.not_before <=
                               current.not_after + scaled(policy.rollover_tolerance, lifetime(current));
}

Seconds seek_interval(const Policy& policy) {
    return successor_search_interval(policy.authority.not_before, policy.authority.not_after);
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
        d.next.seek_after = d.now + seek_interval(d.policy);
        d.emit(SeekSuccessor{});
    }
}

/// Something that needs no time to come: an operator, a CA or a configuration wants another certificate.
std::optional<Purpose> wanted_at_once(const IdentityState& state, const Policy& policy) {
    const bool left_behind = is_left_behind(state, policy);
    if (state.wish == Wish::enroll || state.revoked || (left_behind && !state.shadow) ||
        differs(state.current->name_mark, policy.name_mark)) {
        return Purpose::reenrollment;
    }
    if (state.wish == Wish::nothing && !differs(state.current->content_mark, policy.content_mark)) {
        return std::nullopt;
    }
    if (left_behind) {
        return Purpose::reenrollment;
    }
    return is_ahead(state, policy) ? Purpose::shadow : Purpose::renewal;
}

/// What follows from another configuration is an operator's wish as well.
void wish_for_configuration(Decision& d) {
    const Credential& current = *d.next.current;
    if (differs(current.name_mark, d.policy.name_mark)) {
        d.next.wish = Wish::enroll;
    } else if (d.next.wish == Wish::nothing && differs(current.content_mark, d.policy.content_mark)) {
        d.next.wish = Wish::rekey;
    }
}

/// When a renewal has to come before another certificate that waits to be published; nothing: there is no need, or no
/// way, since only the CA's successor could better the current one. Invariant 5: a CA that gives nothing that is valid
/// earlier is asked once a day over the cap.
std::optional<TimePoint> renewal_before_queue(const IdentityState& state, const Policy& policy) {
    if (!queue_leaves_gap(state, policy) || (needs_successor(state, policy) && !is_left_behind(state, policy))) {
        return std::nullopt;
    }
    const TimePoint renewal = renewal_point(*state.current, policy);
    return over_cap(state, policy) ? std::max(renewal, state.seek_after) : renewal;
}

void plan_before_queue(Decision& d) {
    if (queue_is_too_early(d)) {
        return over_cap(d.next, d.policy) && d.now < d.next.seek_after ? void() : begin(d, Purpose::reenrollment);
    }
    const auto renewal = renewal_before_queue(d.next, d.policy);
    if (renewal && d.now >= *renewal) {
        const bool anew = is_left_behind(d.next, d.policy) || differs(d.next.current->name_mark, d.policy.name_mark);
        begin(d, anew ? Purpose::reenrollment : Purpose::renewal);
    }
}

/// Nothing is under way: begins what is due.
void plan(Decision& d) {
    if (d.next.enrollment || d.next.hold) {
        return;
    }
    if (d.next.next && !is_queued_again(d.next)) {
        return plan_before_queue(d);
    }
    if (!d.next.current) {
        return begin(d, Purpose::first);
    }
    if (const auto purpose = wanted_at_once(d.next, d.policy)) {
        wish_for_configuration(d);
        return begin(d, is_expired(d.next, d.now) ? Purpose::reenrollment : *purpose);
    }
    if (is_too_early(d, *d.next.current)) {
        return begin(d, Purpose::reenrollment);
    }
    if (is_expired(d.next, d.now)) {
        return shadow_bridges(d.next, d.policy) ? void() : begin(d, Purpose::reenrollment);
    }
    if (d.now < renewal_point(*d.next.current, d.policy) || is_left_behind(d.next, d.policy)) {
        return;
    }
    if (needs_successor(d.next, d.policy)) {
        return begin_shadow(d);
    }
    begin(d, Purpose::renewal);
}

/// When plan() has something to do; the epoch: now.
std::vector<TimePoint> plan_times(const IdentityState& state, const Policy& policy) {
    if (state.enrollment || state.hold) {
        return {};
    }
    if (state.next && !is_queued_again(state)) {
        const auto renewal = renewal_before_queue(state, policy);
        return renewal ? std::vector{*renewal} : std::vector<TimePoint>{};
    }
    if (!state.current || wanted_at_once(state, policy)) {
        return {TimePoint{}};
    }
    std::vector<TimePoint> times;
    if (!shadow_bridges(state, policy)) {
        times.push_back(state.current->issued.not_after);
    }
    const bool follows = needs_successor(state, policy);
    if (!is_left_behind(state, policy) && !(follows && state.shadow)) {
        const TimePoint renewal = renewal_point(*state.current, policy);
        times.push_back(follows && !policy.authority.next ? std::max(renewal, state.seek_after) : renewal);
    }
    return times;
}

struct Alarm {
    RaiseAlert::Kind kind = RaiseAlert::Kind::overdue;
    TimePoint since;
};

/// Invariant 11: what is wrong, and from when on; the most urgent first.
std::vector<Alarm> alarms(const IdentityState& state, const Policy& policy) {
    std::vector<Alarm> all;
    const bool judged = state.current && (!publishes_in_order(state, policy) || queue_leaves_gap(state, policy));
    const Seconds patience = scaled(overdue_after, life_at_hand(state));
    if (judged) {
        all.push_back(
            {RaiseAlert::Kind::expired, state.current->issued.not_after + (state.shadow ? patience : Seconds(0))});
    }
    if (state.current && state.revoked) {
        all.push_back({RaiseAlert::Kind::revoked, {}});
    }
    if (state.hold) {
        all.push_back({RaiseAlert::Kind::held, {}});
    }
    if (judged && !state.shadow) {
        const TimePoint due = std::max(point_in(state.current->issued, policy.renew_at), end_of_pause(*state.current));
        all.push_back({RaiseAlert::Kind::overdue, due + patience});
    }
    if (state.delivery && state.delivery->failures > 0) {
        all.push_back({RaiseAlert::Kind::delivery, {}});
    }
    return all;
}

/// When an alarm is told, for the first time or again. What is told of a delivery is that consumers may still use the
/// certificate before, so it is told daily; as is that they use a revoked one.
TimePoint telling_time(const Alarm& alarm, const IdentityState& state) {
    if (!state.alerted_at || *state.alerted_at < alarm.since) {
        return alarm.since;
    }
    const bool daily =
        alarm.kind == RaiseAlert::Kind::delivery || alarm.kind == RaiseAlert::Kind::revoked || !state.current;
    return next_alert(*state.alerted_at, daily ? *state.alerted_at : state.current->issued.not_after);
}

/// Invariant 11: failure is loud.
void raise_alerts(Decision& d) {
    for (const Alarm& alarm : alarms(d.next, d.policy)) {
        if (d.now >= alarm.since && d.now >= telling_time(alarm, d.next)) {
            d.next.alerted_at = d.now;
            d.emit(RaiseAlert{alarm.kind});
            return;
        }
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

/// What a trusted clock has not seen yet has not happened.
void correct_records(IdentityState& state, TimePoint now) {
    if (state.failure) {
        state.failure->at = std::min(state.failure->at, now);
    }
    if (state.enrollment && state.enrollment->transaction) {
        TimePoint& prepared_at = state.enrollment->transaction->prepared_at;
        prepared_at = std::min(prepared_at, now);
    }
    if (state.current) {
        state.current->published_at = std::min(state.current->published_at, now);
    }
    if (state.alerted_at && *state.alerted_at > now) {
        state.alerted_at.reset();
    }
    if (state.delivery && state.delivery->failure) {
        state.delivery->failure->since = std::min(state.delivery->failure->since, now);
    }
}

/// K2, K3: what a clock that was ahead has put off for years is due again once the clock is right.
void bound_waits(Decision& d) {
    if (!d.policy.clock_trusted) {
        return;
    }
    if (was_begun_ahead(d, d.next.wait)) {
        d.next.wait.until = d.now;
        d.next.wait.retry_after.reset();
    }
    correct_records(d.next, d.now);
    const Seconds interval =
        d.next.next ? std::max(d.policy.hold_retry, seek_interval(d.policy)) : seek_interval(d.policy);
    d.next.seek_after = std::min(d.next.seek_after, d.now + interval);
    bound_publication(d, longest_wait(d.policy));
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
    bound_waits(d);
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
        d.next.unproved = true;
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
    const bool another = d.next.next && d.next.current && !is_queued_again(d.next);
    if (event.next_seen && d.next.next && !is_queued_again(d.next)) {
        take_what_is_seen(d, event);
    } else {
        d.next.unproved = d.next.unproved || (another && !event.current_seen);
        take_generations(d, event);
    }
    d.settled = true;
    if (!event.fresh) {
        return;
    }
    d.next.publish_after = {};
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

void on(Decision& d, const Resumed& event) {
    const bool held = d.next.hold.has_value();
    const bool asked = d.next.wait.retry_after.has_value();
    const bool token = d.next.wait.reason == WaitingFor::token;
    if (deliver_again(d)) {
        d.note = "an operator has seen to the consumers";
    }
    const bool waits = asked || token || d.next.wait.reason == WaitingFor::pin;
    if (!held && (!waits || event.pin_must_change)) {
        return;
    }
    if (held) {
        release(d);
    }
    d.next.wait = Wait{WaitingFor::timer, d.now + Seconds(1)};
    d.note = held    ? "released by an operator"
             : asked ? "an operator ended the wait that the CA asked for"
             : token ? "an operator has seen to the token"
                     : "an operator has corrected the PIN";
}

/// O6: a wish while something is under way is that thing; a hold ends, and so does waiting for a PIN or a token.
void wish(Decision& d, Wish what) {
    d.settled = true;
    if (d.next.hold) {
        release(d);
    }
    if (d.next.enrollment || (d.next.next && !is_queued_again(d.next))) {
        if (d.next.wait.reason == WaitingFor::pin || d.next.wait.reason == WaitingFor::token) {
            // Who wishes may have seen to it. That no refused PIN is repeated is judged at the login.
            d.next.wait = Wait{WaitingFor::timer, d.now + Seconds(1)};
        }
        d.note = redirect(d, what) ? "asked for by an operator, in place of what was under way"
                                   : "asked for by an operator, already under way";
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

/// The pair stays published until another one is there: consumers without any certificate serve nobody, and who checks
/// CRLs refuses this one anyhow.
void on(Decision& d, const CertificateRevoked& event) {
    if (!d.next.current || d.next.revoked || (!event.leaf.empty() && event.leaf != d.next.current->issued.leaf)) {
        return;
    }
    d.next.revoked = true;
    d.next.alerted_at.reset();
    d.settled = true;
    d.note = "the current certificate is revoked" + (event.why.empty() ? std::string() : ": " + event.why);
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

bool is_left_behind(const IdentityState& state, const Policy& policy) {
    const auto& anchors = state.current->issued.anchors;
    return !anchors.empty() && std::ranges::find(policy.authority.left, anchors.front()) != policy.authority.left.end();
}

bool is_ahead(const IdentityState& state, const Policy& policy) {
    const auto& anchors = state.current->issued.anchors;
    return policy.authority.next && !anchors.empty() && policy.authority.next->anchor == anchors.front();
}

bool is_expired(const IdentityState& state, TimePoint now) {
    return state.current && now >= state.current->issued.not_after;
}

Phase phase_of(const Rare<Enrollment>& enrollment) {
    if (!enrollment) {
        return Phase::unenrolled;
    }
    if (enrollment->key.spki.empty() || (enrollment->envelope_key && enrollment->envelope_key->spki.empty())) {
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

bool may_adopt(const IdentityState& state) {
    return !state.current && !state.next && !state.shadow && attempt_phase(state) != Phase::pending;
}

std::optional<TimePoint> renewal_time(const IdentityState& state, const Policy& policy) {
    return state.current ? std::optional(renewal_point(*state.current, policy)) : std::nullopt;
}

std::optional<TimePoint> next_due(const IdentityState& state, const Policy& policy) {
    std::vector<TimePoint> times = publication_times(state, policy);
    if (state.enrollment) {
        times.push_back(attempt_time(state, policy));
    }
    for (const TimePoint planned : plan_times(state, policy)) {
        times.push_back(planned);
    }
    for (const Alarm& alarm : alarms(state, policy)) {
        times.push_back(std::max(alarm.since, telling_time(alarm, state)));
    }
    return times.empty() ? std::nullopt : std::optional(*std::ranges::min_element(times));
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
    const std::string found = std::holds_alternative<CertificateRevoked>(event) ? decision.note : std::string();
    if (decision.settled && !works(decision)) {
        advance(decision);
    }
    if (!found.empty() && decision.note != found) {
        // What is begun for it must not take its place in the history.
        decision.note = found + "; " + decision.note;
    }
    if (decision.settled) {
        raise_alerts(decision);
    }
    decision.next.phase = overall_phase(decision.next);
    return {std::move(decision.next), std::move(decision.effects), std::move(decision.note)};
}

}  // namespace hwenroll::lifecycle
