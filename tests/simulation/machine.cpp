#include "tests/simulation/machine.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/transition_words.h"

namespace hwenroll::simulation {
namespace {

constexpr TimePoint never = TimePoint::max();
constexpr Seconds rollout = 60 * day;
constexpr Seconds window_pause = 7 * day;
constexpr Seconds window = 2 * hour;

struct Kind {
    Seconds lifetime;
    int renew_at;
};
constexpr std::array<Kind, 4> kinds{{{21 * day, 75}, {120 * day, 75}, {365 * day, 75}, {7 * day, 50}}};

const Kind& kind_of(std::uint32_t identity) {
    return kinds[identity % kinds.size()];
}

std::uint64_t seed_of(std::uint64_t seed, std::uint32_t identity) {
    return Random(seed).next() ^ Random(identity + 1).next();
}

Seconds latency(const lifecycle::Effect& effect, Random& random) {
    if (std::holds_alternative<lifecycle::MakeKey>(effect)) {
        return random.between(Seconds(1), Seconds(30));
    }
    return random.between(Seconds(1), Seconds(8));
}

/// A new certificate is in front of consumers: it was published, or is seen although that is not recorded or durable.
bool is_success(const lifecycle::IdentityState& before, const lifecycle::IdentityState& after) {
    return after.current && (!before.current || before.current->issued.leaf != after.current->issued.leaf);
}

}  // namespace

void Figures::add(const Figures& other) {
    decisions += other.decisions;
    idle += other.idle;
    authority_decisions += other.authority_decisions;
    issued += other.issued;
    published += other.published;
    polls += other.polls;
    failures += other.failures;
    holds += other.holds;
    alerts += other.alerts;
    crashes += other.crashes;
    suspends += other.suspends;
    clock_jumps += other.clock_jumps;
    shadows += other.shadows;
    keys_destroyed += other.keys_destroyed;
    excused_expiries += other.excused_expiries;
    gaps += other.gaps;
    not_durable += other.not_durable;
    undone += other.undone;
}

Machine::Machine(const Options& options, const AuthorityTimeline& timeline, std::uint32_t identity, Load& load,
                 Trace trace)
    : options_(options),
      timeline_(timeline),
      load_(load),
      trace_(std::move(trace)),
      random_(seed_of(options.seed, identity)),
      now_(timeline.run().begin),
      lifetime_(kind_of(identity).lifetime),
      counts_in_load_(lifetime_ > 7 * day),
      has_battery_(random_.one_in(2)),
      installed_at_(now_ + random_.between(Seconds(0), rollout)),
      clock_(installed_at_, !random_.one_in(5)),
      issuing_(timeline, lifetime_, !random_.one_in(20)),
      watch_(timeline, identity) {
    timers_.fill(never);
    timer(Timer::power) = installed_at_;
    timer(Timer::disruption) = installed_at_ + random_.between(Seconds(0), 120 * day);
    timer(Timer::wish) = timeline.outage().begin + random_.between(Seconds(0), 10 * minute);
    policy_.configuration_mark = policy_.request_mark = policy_.name_mark = policy_.content_mark = {1};
    policy_.renew_at.percent = kind_of(identity).renew_at;
    policy_.jitter_percent = options.plant == Plant::jitter_off ? 0 : policy_.jitter_percent;
    policy_.new_key = random_.one_in(10) ? lifecycle::KeyRule::prefer : lifecycle::KeyRule::require;
    policy_.delivers = random_.one_in(2);
    has_window_ = random_.one_in(10);
    counts_in_load_ = counts_in_load_ && !has_window_;
    policy_.activation.latest.percent = has_window_ ? 85 : 0;
    publishes_crls_ = random_.one_in(8);
    policy_.switch_at = random_.one_in(5) ? lifecycle::SwitchRule::not_before : lifecycle::SwitchRule::authority_end;
    authority_policy_.pinned = {timeline.generation(0).fingerprint};
    authority_policy_.announces_successor = true;
}

void Machine::say(const std::string& line) const {
    if (trace_) {
        trace_(to_iso8601(now_) + " " + line);
    }
}

void Machine::run() {
    const TimePoint end = timeline_.run().end;
    while (!watch_.violation()) {
        const auto next = std::ranges::min_element(timers_);
        if (*next >= end) {
            break;
        }
        now_ = std::max(now_, *next);
        *next = never;
        fire(static_cast<Timer>(next - timers_.begin()));
    }
    if (!watch_.violation()) {
        now_ = end;
        watch_.look_at_consumers(state_, published_, now_);
        watch_.at_end(state_, published_, installed_at_, now_, token_);
    }
    figures_.excused_expiries = watch_.excused();
    figures_.gaps = watch_.gaps();
}

void Machine::fire(Timer which) {
    switch (which) {
        case Timer::disruption:
            return disrupt();
        case Timer::power:
            return start();
        case Timer::clock:
            clock_.put_right();
            watch_.clock_put_right();
            say("clock put right");
            return notice_clock();
        case Timer::wish:
            return wish();
        case Timer::tick:
            return tick();
        case Timer::outcome:
            return conclude();
        case Timer::wake:
            return decide(lifecycle::Due{});
        case Timer::count:
            return;
    }
}

// Disruptions: one in 60 days on average.

void Machine::disrupt() {
    timer(Timer::disruption) = now_ + random_.between(Seconds(0), 120 * day);
    if (!running_) {
        return;
    }
    if (published_ && !is_durable() && random_.one_in(2)) {
        return crash(random_.between(minute, 6 * hour), true);
    }
    const std::int64_t chance = random_.between(0, 99);
    if (chance < 3) {
        disk_ails_until_ = now_ + random_.between(hour, 10 * day);
        say("nothing on the disk is durable until " + to_iso8601(disk_ails_until_));
    } else if (chance < 35) {
        crash(random_.between(Seconds(1), 10 * minute), false);
    } else if (chance < 50) {
        crash(random_.between(minute, 6 * hour), true);
    } else if (chance < 70) {
        suspend(random_.one_in(10) ? random_.between(12 * hour, 14 * day) : random_.between(10 * minute, 12 * hour));
    } else if (chance < 85) {
        jump();
    } else if (chance < 95) {
        token_.take_away(now_ + random_.between(minute, 8 * hour));
        watch_.away({now_, token_.back_at()});
        say("token absent until " + to_iso8601(token_.back_at()));
    } else {
        token_.fill(now_ + random_.between(hour, 3 * day));
        watch_.away({now_, token_.full_until()});
        say("token full until " + to_iso8601(token_.full_until()));
    }
}

void Machine::crash(Seconds until_restart, bool reboots) {
    ++figures_.crashes;
    leave_switched();
    running_ = false;
    reboots_ = reboots;
    under_way_.reset();
    timer(Timer::outcome) = timer(Timer::wake) = timer(Timer::tick) = never;
    timer(Timer::power) = now_ + until_restart;
    watch_.away({now_, timer(Timer::power)});
    say(reboots ? "power lost" : "process killed");
    if (reboots) {
        lose_power();
    }
}

/// S7: between the switch and the fsync behind it.
void Machine::leave_switched() {
    const auto* const publication = under_way_ ? std::get_if<lifecycle::PublishGeneration>(&*under_way_) : nullptr;
    if (publication != nullptr && random_.one_in(3)) {
        ++figures_.not_durable;
        show(*publication);
        say("killed behind the switch");
    }
}

bool Machine::is_durable() const {
    return published_.has_value() == durable_.has_value() &&
           (!published_ || (published_->generation == durable_->generation && published_->leaf == durable_->leaf));
}

/// S3: a switch that no fsync made durable is kept, or not.
void Machine::lose_power() {
    if (is_durable() || random_.one_in(4)) {
        return;
    }
    ++figures_.undone;
    watch_.fell_back(durable_);
    published_ = durable_;
    say("consumers see " + (published_ ? "generation " + std::to_string(published_->generation) : "nothing") +
        " again");
}

void Machine::suspend(Seconds length) {
    ++figures_.suspends;
    const TimePoint resumed = now_ + length;
    watch_.away({now_, resumed + minute});
    say("suspended until " + to_iso8601(resumed));
    for (const Timer which : {Timer::clock, Timer::wish, Timer::tick, Timer::outcome, Timer::wake}) {
        if (timer(which) < resumed + minute) {
            timer(which) = resumed + random_.between(Seconds(1), minute);
        }
    }
    timer(Timer::disruption) = std::max(timer(Timer::disruption), resumed + hour);
}

void Machine::jump() {
    if (timer(Timer::clock) != never) {
        return;
    }
    ++figures_.clock_jumps;
    timer(Timer::clock) = clock_.jump(now_, random_);
    if (clock_.is_wrong() || clock_.offset() < Seconds(0)) {
        watch_.away({now_, timer(Timer::clock) + minute});
    }
    say("clock jumps to " + to_iso8601(wall()));
    notice_clock();
}

/// RT-8, K3, K4: within a minute of a change of the clock everything is looked at again.
void Machine::notice_clock() {
    if (!running_) {
        return;
    }
    const TimePoint noticed = now_ + random_.between(Seconds(0), Seconds(59));
    tick_idle_ = minute;
    timer(Timer::tick) = noticed;
    if (!under_way_) {
        timer(Timer::wake) = noticed;
    }
}

void Machine::start() {
    if (reboots_ && timer(Timer::clock) == never) {
        clock_.boot(now_, has_battery_, random_);
        if (!has_battery_) {
            timer(Timer::clock) = now_ + random_.between(minute, 2 * hour);
            watch_.away({now_, timer(Timer::clock) + minute});
        }
    }
    running_ = true;
    tick_idle_ = minute;
    say("agent started, the clock says " + to_iso8601(wall()));
    tick();
    decide(what_is_seen());
}

// The agent.

/// IdentityRunner::unknown_successor().
bool Machine::is_unknown() const {
    if (!published_ || (!state_.current && !state_.next && !state_.enrollment)) {
        return false;
    }
    const auto is_newer = [&](const auto& known) {
        return !known || (known->issued.leaf != published_->leaf && known->issued.not_after < published_->validity.end);
    };
    return is_newer(state_.current) && is_newer(state_.next) && token_.find(published_->key_id) != nullptr;
}

/// As agent/runtime looks at it when it starts.
lifecycle::Event Machine::what_is_seen() const {
    if (is_unknown()) {
        const TokenKey& key = *token_.find(published_->key_id);
        return lifecycle::PublishedFound{{key.id, key.spki}, published_->issued, highest_generation_};
    }
    lifecycle::Started event;
    event.highest_generation = highest_generation_;
    const lifecycle::Credential* const wanted = state_.next      ? &*state_.next
                                                : state_.current ? &*state_.current
                                                                 : nullptr;
    event.shown = wanted == nullptr;
    const bool another = state_.next && state_.current && state_.next->issued.leaf != state_.current->issued.leaf;
    if (!published_) {
        event.current_seen = !another;
        return event;
    }
    const auto is_seen = [&](const lifecycle::Credential& one) {
        return published_->leaf == one.issued.leaf && published_->key_id == one.key.id;
    };
    event.current_generation = published_->generation;
    event.shown = wanted != nullptr && is_seen(*wanted) && published_->generation == wanted->generation;
    event.next_seen = another && published_->leaf == state_.next->issued.leaf;
    event.current_seen = !another || event.next_seen || is_seen(*state_.current);
    return event;
}

void Machine::judge_clock() {
    auto judgement = lifecycle::judge_clock(clock_memory_, clock_.read(now_), timeline_.run().begin - 30 * day);
    clock_memory_ = std::move(judgement.memory);
    misled_ = judgement.trusted && clock_.is_wrong();
    policy_.clock_trusted = judgement.trusted || options_.plant == Plant::no_clock_floor;
    authority_policy_.clock_trusted = policy_.clock_trusted;
    if (has_window_) {
        const Seconds gone = wall().time_since_epoch() % window_pause;
        policy_.activation.opens = gone < window ? std::nullopt : std::optional(wall() + (window_pause - gone));
    }
}

lifecycle::Draw Machine::draw() {
    lifecycle::Draw drawn;
    const auto fill = [this](auto& octets) {
        for (std::size_t i = 0; i < octets.size(); i += 8) {
            const std::uint64_t number = random_.next();
            for (unsigned j = 0; j < 8; ++j) {
                octets[i + j] = static_cast<std::uint8_t>(number >> (8 * j));
            }
        }
    };
    fill(drawn.identifier);
    fill(drawn.nonce);
    drawn.fraction = options_.plant == Plant::jitter_off ? 0 : static_cast<std::uint32_t>(random_.next());
    return drawn;
}

void Machine::decide(const lifecycle::Event& event) {
    judge_clock();
    watch_.look_at_consumers(state_, published_, now_);
    lifecycle::Transition transition = lifecycle::step(state_, event, draw(), policy_, wall());
    ++figures_.decisions;
    watch_.stepped(now_);
    if (random_.one_in(2000)) {
        // S1 to S3: nothing is committed, so nothing of it happens.
        return crash(random_.between(Seconds(5), 10 * minute), false);
    }
    const bool due = std::holds_alternative<lifecycle::Due>(event);
    const bool idle = due && transition.effects.empty() && transition.state == state_;
    watch_.committed(state_, event, transition.state, policy_, wall(), now_, token_);
    if (transition.state.hold && !state_.hold) {
        ++figures_.holds;
        watch_.away({now_, now_ + day});  // one retry a day (invariant 5)
    }
    const bool shadowed = transition.state.shadow && !state_.shadow;
    if (shadowed || is_success(state_, transition.state)) {
        figures_.shadows += shadowed ? 1 : 0;
        issued_before_ = messages_ = 0;
        success_at_ = now_;
        watch_.succeeded();
    }
    state_ = std::move(transition.state);
    const auto* failed = std::get_if<lifecycle::EffectFailed>(&event);
    if (std::holds_alternative<lifecycle::CertificateIssued>(event) || (failed != nullptr && failed->issued)) {
        watch_.issued(++issued_before_, messages_, success_at_, now_);
    }
    if (trace_) {
        say(words_of(event, state_, transition.effects, transition.note));
    }
    for (lifecycle::Effect& effect : transition.effects) {
        take(std::move(effect));
    }
    schedule(idle);
}

void Machine::take(lifecycle::Effect effect) {
    if (std::holds_alternative<lifecycle::RaiseAlert>(effect)) {
        ++figures_.alerts;
        return;
    }
    under_way_ = std::move(effect);
    decided_misled_ = misled_;
    timer(Timer::wake) = never;
    timer(Timer::outcome) = now_ + latency(*under_way_, random_);
    if (random_.one_in(500)) {
        crash(random_.between(Seconds(1), 10 * minute), random_.one_in(3));
    }
}

/// Carries out what is under way; a crash may come between that and its outcome.
void Machine::conclude() {
    const lifecycle::Effect effect = *std::exchange(under_way_, std::nullopt);
    judge_clock();
    const lifecycle::Event event = std::visit([this](const auto& one) { return carry_out(one); }, effect);
    if (random_.one_in(500)) {
        return crash(random_.between(Seconds(1), 10 * minute), random_.one_in(3));
    }
    figures_.failures += std::holds_alternative<lifecycle::EffectFailed>(event) ? 1 : 0;
    decide(event);
}

/// The runtime's rule: Due at next_due; where it led to nothing, again a minute later.
void Machine::schedule(bool idle) {
    if (!running_ || under_way_) {
        return;
    }
    if (std::exchange(facts_changed_, false)) {
        timer(Timer::wake) = now_;
        return;
    }
    const auto due = lifecycle::next_due(state_, policy_);
    TimePoint wake = never;
    if (due && *due > wall()) {
        wake = clock_.at(*due);
    } else if (due && idle) {
        wake = now_ + minute;
        ++figures_.idle;
    } else if (due) {
        wake = now_;
    }
    timer(Timer::wake) = clock_memory_.doubted ? std::min(wake, now_ + minute) : wake;
}

void Machine::wish() {
    if (now_ >= timeline_.outage().end || timeline_.run().end - now_ < 7 * day) {
        return;
    }
    if (!running_ || under_way_) {
        timer(Timer::wish) = now_ + minute;
        return;
    }
    wished_ = true;
    decide(lifecycle::RenewalWanted{});
}

}  // namespace hwenroll::simulation
