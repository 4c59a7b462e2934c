// How a machine's agent gets to know its CA.
#include <algorithm>
#include <utility>

#include "tests/simulation/machine.h"

namespace hwenroll::simulation {
namespace {

constexpr Seconds crl_life = 30 * day;

/// Those of the CA and its successor, which issue all certificates themselves.
void add_crls(lifecycle::AuthorityFacts& facts, TimePoint wall) {
    const auto number = static_cast<std::uint8_t>(wall.time_since_epoch() / crl_life);
    facts.crls.push_back({facts.anchor, {}, {0xC1, number}});
    if (facts.next) {
        facts.crls.push_back({facts.next->anchor, {}, {0xC2, number}});
    }
}

}  // namespace

lifecycle::AuthorityTransition Machine::decide(const lifecycle::AuthorityEvent& event) {
    lifecycle::AuthorityTransition transition = lifecycle::step(authority_, event, authority_policy_, wall());
    ++figures_.authority_decisions;
    authority_ = std::move(transition.state);
    if (trace_ && !transition.note.empty()) {
        say("authority: " + transition.note);
    }
    lifecycle::AuthorityFacts facts = lifecycle::facts_of(authority_, wall());
    if (publishes_crls_ && !facts.anchor.empty()) {
        add_crls(facts, wall());
    }
    if (facts != policy_.authority) {
        policy_.authority = std::move(facts);
        facts_changed_ = true;
    }
    const auto due = lifecycle::next_due(authority_, authority_policy_);
    if (!due) {
        timer(Timer::tick) = TimePoint::max();
    } else {
        timer(Timer::tick) = *due > wall() ? clock_.at(*due) : now_ + tick_idle_;
        tick_idle_ = *due > wall() ? minute : std::min(tick_idle_ * 2, Seconds(hour));
    }
    return transition;
}

Error Machine::no_answer() {
    Error error(ErrorCode::ca_unreachable, "the CA does not answer");
    const bool nobody_there = now_ >= timeline_.outage().begin && now_ < timeline_.outage().end;
    return !nobody_there && random_.one_in(3) ? std::move(error).retry_after(random_.between(minute, hour)) : error;
}

std::optional<Error> Machine::refresh_authority() {
    const auto transition = decide(lifecycle::AuthorityNeeded{});
    if (transition.refused_for) {
        return Error(ErrorCode::ca_http, "the CA asked to be left alone").retry_after(transition.refused_for);
    }
    if (!transition.fetch) {
        return std::nullopt;
    }
    if (!timeline_.reachable(now_)) {
        const Error error = no_answer();
        decide(lifecycle::AuthorityFailed{error});
        return error;
    }
    const Generation& served = timeline_.generation(timeline_.in_office(now_));
    if (authority_.next && authority_.next->anchor_fingerprint == served.fingerprint) {
        decide(lifecycle::SuccessorInOffice{served.record});
    }
    const bool is_pinned =
        std::ranges::find(authority_policy_.pinned, served.fingerprint) != authority_policy_.pinned.end();
    const bool is_current = authority_.phase != lifecycle::AuthorityPhase::untrusted &&
                            authority_.current->anchor_fingerprint == served.fingerprint;
    if (!is_pinned && !is_current &&
        !lifecycle::may_return_to(authority_, served.fingerprint, authority_policy_, wall())) {
        Error error(ErrorCode::ca_fingerprint, "the CA shows another certificate");
        decide(lifecycle::AuthorityFailed{error});
        return error;
    }
    decide(lifecycle::AuthorityFetched{served.record});
    return std::nullopt;
}

void Machine::seek_successor() {
    if (timeline_.reachable(now_) && timeline_.offers_next(now_)) {
        decide(lifecycle::SuccessorFetched{timeline_.generation(timeline_.in_office(now_) + 1).record});
    } else {
        decide(lifecycle::SuccessorMissing{Error(ErrorCode::ca_http_refused, "the CA has no successor")});
    }
}

void Machine::tick() {
    judge_clock();
    if (decide(lifecycle::AuthorityTick{}).seek) {
        seek_successor();
    }
    if (facts_changed_) {
        schedule(false);
    }
}

const lifecycle::AuthorityRecord* Machine::recipient() const {
    const lifecycle::Enrollment& enrollment = *state_.enrollment;
    if (enrollment.purpose != lifecycle::Purpose::shadow) {
        return &*authority_.current;
    }
    if (authority_.next && authority_.next->anchor == enrollment.authority) {
        return &*authority_.next;
    }
    return authority_.current->anchor == enrollment.authority ? &*authority_.current : nullptr;
}

}  // namespace hwenroll::simulation
