// What is true of the CA and the same for all: its generations and when it can be reached.
#pragma once

#include <vector>

#include "agent/lifecycle/authority_state.h"

namespace hwenroll::simulation {

inline constexpr Seconds minute{60};
inline constexpr Seconds hour{3600};
inline constexpr Seconds day{86400};

/// Half open.
struct Span {
    TimePoint begin;
    TimePoint end;
};

/// One CA key, with what GetCACert and GetNextCACert say of it.
struct Generation {
    Span validity;
    Bytes fingerprint;
    lifecycle::AuthorityRecord record;
};

class AuthorityTimeline {
 public:
    /// The CA lives 5 years at a time; the first one ends 800 days after the beginning. It is down for 1 % of the
    /// time in random pieces of 5 minutes to 4 hours, and once for 72 hours.
    AuthorityTimeline(std::uint64_t seed, int years);

    [[nodiscard]] Span run() const { return run_; }
    [[nodiscard]] Span outage() const { return outage_; }
    /// In order, not overlapping, the outage among them.
    [[nodiscard]] const std::vector<Span>& downtimes() const { return downtimes_; }

    [[nodiscard]] bool reachable(TimePoint now) const;
    [[nodiscard]] std::size_t in_office(TimePoint now) const;
    /// Auto-rollover: the successor exists for the last 60 days.
    [[nodiscard]] bool offers_next(TimePoint now) const;
    [[nodiscard]] const Generation& generation(std::size_t index) const { return generations_[index]; }
    /// The generation with this certificate; nothing: none.
    [[nodiscard]] const Generation* find(const Bytes& fingerprint) const;

 private:
    Span run_;
    Span outage_;
    std::vector<Span> downtimes_;
    std::vector<Generation> generations_;
};

}  // namespace hwenroll::simulation
