// What must never happen to an identity, judged from outside and by true time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/lifecycle/step.h"
#include "tests/simulation/authority_timeline.h"
#include "tests/simulation/token_model.h"

namespace hwenroll::simulation {

struct Violation {
    std::uint32_t identity = 0;
    TimePoint at;
    std::string rule;
    std::string what;
};

/// What consumers see.
struct Published {
    std::uint64_t generation = 0;
    Bytes leaf;
    Bytes key_id;
    Span validity;
    TimePoint renewal_point;
    TimePoint since;  ///< true time
    lifecycle::IssuedRecord issued = {};
    bool fell_back = false;  ///< a power failure has brought it back: consumers had seen another one since
};

class Watch {
 public:
    Watch(const AuthorityTimeline& timeline, std::uint32_t identity) : timeline_(timeline), identity_(identity) {}

    /// The first violation; the rest of that identity's life is not looked at.
    [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
    /// Certificates that expired while nothing could be done about it.
    [[nodiscard]] std::uint64_t excused() const { return excused_; }

    /// Certificates that ended up to an hour before their CA, whose successor's began only with it.
    [[nodiscard]] std::uint64_t gaps() const { return gaps_; }

    /// The machine cannot act in this time: off, asleep, without its token, or with a wrong clock.
    void away(Span span) { away_.push_back(span); }
    /// The CA decides about a request.
    void undecided(Span span) { undecided_.push_back(span); }
    /// A full token made the agent hurry.
    void token_was_full(TimePoint now) { hurried_at_ = now; }

    /// A hold that a wrong clock began ends with it: one more message.
    void clock_put_right() { ++put_right_; }

    void committed(const lifecycle::IdentityState& before, const lifecycle::Event& event,
                   const lifecycle::IdentityState& after, const lifecycle::Policy& policy, TimePoint wall,
                   TimePoint now, const TokenModel& token);
    /// `misled`: the clock is wrong and every rule says that it may be believed, or was so when this was decided.
    void published(const std::optional<Published>& old, const Published& seen, TimePoint now, bool misled,
                   const TokenModel& token);
    /// `durable`: what a power failure would leave of `seen`.
    void destroyed(const Bytes& key_id, const std::optional<Published>& seen, const std::optional<Published>& durable,
                   Seconds retire_after, TimePoint now, bool misled);
    /// A power failure has undone the last switch: consumers see this again.
    void fell_back(std::optional<Published>& seen);
    /// Whether they see what the state says, or will soon.
    void look_at_consumers(const lifecycle::IdentityState& state, const std::optional<Published>& seen, TimePoint now);
    /// A certificate was issued; `counted` since the last publication or shadow.
    void issued(std::uint64_t counted, std::uint64_t messages, TimePoint since, TimePoint now);
    void succeeded() { put_right_ = 0; }
    void stepped(TimePoint now);
    void at_end(const lifecycle::IdentityState& state, const std::optional<Published>& seen, TimePoint installed_at,
                TimePoint now, const TokenModel& token);

 private:
    void report(TimePoint now, std::string rule, std::string what);
    /// Nothing, or the expiry of `seen` before `now` where there was a chance to prevent it.
    void look_for_expiry(const Published& seen, TimePoint now);
    /// The same where a shadow certificate takes over, which no one can use before its CA's predecessor ends.
    void look_at_switch(const Published& old, const Published& seen, TimePoint now);
    /// Consumers were misled to `seen` before its time: looks for the time in which that could be mended.
    void look_for_early(const Published& seen, TimePoint now);
    /// Which of the two applies.
    void look_at_end(const Published& old, const Published& seen, TimePoint now);
    void look_at_token(const lifecycle::IdentityState& state, TimePoint now, const TokenModel& token);
    [[nodiscard]] Seconds longest_chance(Span span, bool needs_authority) const;

    struct Superseded {
        Bytes key_id;
        TimePoint at;
    };

    const AuthorityTimeline& timeline_;
    std::uint32_t identity_;
    std::optional<Violation> violation_;
    std::uint64_t excused_ = 0;
    std::uint64_t gaps_ = 0;
    std::vector<Span> away_;
    std::vector<Span> undecided_;
    std::vector<Superseded> superseded_;
    TimePoint hurried_at_;
    std::optional<TimePoint> differs_since_;  ///< what consumers see is not what the state says
    std::uint64_t put_right_ = 0;             ///< since the last success
    TimePoint day_began_;
    std::uint32_t steps_today_ = 0;
    std::uint32_t published_today_ = 0;
};

}  // namespace hwenroll::simulation
