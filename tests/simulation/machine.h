// One machine: an agent with one identity, its token, disk and clocks, over years of true time.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "agent/lifecycle/authority_state.h"
#include "agent/lifecycle/clock_judgement.h"
#include "tests/simulation/issuing_authority.h"
#include "tests/simulation/load.h"
#include "tests/simulation/machine_clock.h"
#include "tests/simulation/options.h"
#include "tests/simulation/watch.h"

namespace hwenroll::simulation {

struct Figures {
    std::uint64_t decisions = 0;  ///< calls of step() for identities
    std::uint64_t idle = 0;       ///< of those: Due that led to nothing
    std::uint64_t authority_decisions = 0;
    std::uint64_t issued = 0;
    std::uint64_t published = 0;
    std::uint64_t polls = 0;
    std::uint64_t failures = 0;
    std::uint64_t holds = 0;
    std::uint64_t alerts = 0;
    std::uint64_t crashes = 0;
    std::uint64_t suspends = 0;
    std::uint64_t clock_jumps = 0;
    std::uint64_t shadows = 0;
    std::uint64_t keys_destroyed = 0;
    std::uint64_t excused_expiries = 0;
    std::uint64_t gaps = 0;         ///< Watch::gaps()
    std::uint64_t not_durable = 0;  ///< switches of `current` that a power failure could undo
    std::uint64_t undone = 0;       ///< of those: that one did
    void add(const Figures& other);
};

class Machine {
 public:
    using Trace = std::function<void(const std::string& line)>;

    /// All arguments outlive it. `trace` may be empty.
    Machine(const Options& options, const AuthorityTimeline& timeline, std::uint32_t identity, Load& load, Trace trace);

    /// Lives from its installation to the end of the run, or to the first violation.
    void run();

    [[nodiscard]] const std::optional<Violation>& violation() const { return watch_.violation(); }
    [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
    enum class Timer : std::uint8_t { disruption, power, clock, wish, tick, outcome, wake, count };
    TimePoint& timer(Timer which) { return timers_[static_cast<std::size_t>(which)]; }
    void fire(Timer which);

    // Disruptions.
    void disrupt();
    void crash(Seconds until_restart, bool reboots);
    void leave_switched();
    void lose_power();
    void suspend(Seconds length);
    void jump();
    void notice_clock();
    void start();

    // The agent, as agent/runtime does it.
    [[nodiscard]] lifecycle::Event what_is_seen() const;
    [[nodiscard]] bool is_unknown() const;
    void judge_clock();
    void decide(const lifecycle::Event& event);
    void take(lifecycle::Effect effect);
    void conclude();
    void schedule(bool idle);
    void wish();
    [[nodiscard]] lifecycle::Draw draw();

    // The CA's view of the agent (authority_access.cpp).
    lifecycle::AuthorityTransition decide(const lifecycle::AuthorityEvent& event);
    std::optional<Error> refresh_authority();
    void seek_successor();
    void tick();

    // Effects (effects.cpp): the event that each leads to.
    lifecycle::Event carry_out(const lifecycle::MakeKey& effect);
    lifecycle::Event carry_out(const lifecycle::PrepareRequest& effect);
    lifecycle::Event carry_out(const lifecycle::SendRequest& effect);
    lifecycle::Event carry_out(const lifecycle::SendPoll& effect);
    lifecycle::Event carry_out(const lifecycle::ReconsiderAuthority& effect);
    lifecycle::Event carry_out(const lifecycle::PublishGeneration& effect);
    lifecycle::Event carry_out(const lifecycle::SeekSuccessor& effect);
    lifecycle::Event carry_out(const lifecycle::Deliver& effect);
    lifecycle::Event carry_out(const lifecycle::DestroyKey& effect);
    lifecycle::Event carry_out(const lifecycle::RaiseAlert& effect);
    void show(const lifecycle::PublishGeneration& effect);
    [[nodiscard]] bool fails_to_last();
    [[nodiscard]] bool is_durable() const;
    lifecycle::Event submit(bool poll);
    lifecycle::Event judge(lifecycle::IssuedRecord issued, bool poll);
    [[nodiscard]] Error no_answer();
    /// The certificate that a request made now is for; of a shadow the successor's.
    [[nodiscard]] const lifecycle::AuthorityRecord* recipient() const;

    void say(const std::string& line) const;
    [[nodiscard]] TimePoint wall() const { return clock_.wall(now_); }

    const Options& options_;
    const AuthorityTimeline& timeline_;
    Load& load_;
    Trace trace_;
    Random random_;
    TimePoint now_;
    std::array<TimePoint, static_cast<std::size_t>(Timer::count)> timers_;

    // The machine.
    Seconds lifetime_;
    bool counts_in_load_;
    bool has_battery_;
    bool has_window_;
    bool publishes_crls_;
    bool running_ = false;
    bool reboots_ = true;
    TimePoint installed_at_;
    MachineClock clock_;
    TokenModel token_;
    IssuingAuthority issuing_;

    // Its disk.
    lifecycle::IdentityState state_;
    lifecycle::AuthorityState authority_;
    lifecycle::ClockMemory clock_memory_;
    std::optional<Published> published_;
    std::optional<Published> durable_;  ///< what a power failure leaves of it
    TimePoint disk_ails_until_;
    std::uint64_t highest_generation_ = 0;

    // The process.
    lifecycle::Policy policy_;
    lifecycle::AuthorityPolicy authority_policy_;
    std::optional<lifecycle::Effect> under_way_;
    bool misled_ = false;
    bool decided_misled_ = false;  ///< that, when what is under way was decided
    bool facts_changed_ = false;
    Seconds tick_idle_ = minute;

    Watch watch_;
    Figures figures_;
    std::uint64_t issued_before_ = 0;
    std::uint64_t messages_ = 0;
    TimePoint success_at_;
    bool wished_ = false;
    bool recovered_ = false;
};

}  // namespace hwenroll::simulation
