// How many certificates the CA issued when, and whether that is spread well enough.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/authority_timeline.h"

namespace hwenroll::simulation {

class Load {
 public:
    explicit Load(Span run);

    void count(TimePoint issued_at);
    /// When an identity that was due in the outage got its certificate after it.
    void recovered(TimePoint at) { recovered_.push_back(at); }
    void add(const Load& other);

    /// A peak and what it is compared with.
    struct Peak {
        double highest = 0;
        double mean = 0;
        TimePoint at;
        [[nodiscard]] double ratio() const { return mean > 0 ? highest / mean : 0; }
    };

    /// From the CA's return to the time at which 95 % of those that were due have their certificates, in bins of
    /// 5 minutes for 7,500 counted identities and of inversely more, up to half an hour, for fewer, so that the noise
    /// of counting stays about the same.
    [[nodiscard]] Peak after_outage(const AuthorityTimeline& timeline) const;
    /// How long those 95 % took.
    [[nodiscard]] Seconds recovery(const AuthorityTimeline& timeline) const;
    /// The busiest hour of any 24 that the CA was reachable in throughout, before the outage and after the first
    /// `settled`, by the excess over what chance explains: mean + 6 * sqrt(mean) + 6.
    [[nodiscard]] Peak in_any_day(const AuthorityTimeline& timeline) const;

 private:
    [[nodiscard]] double in_span(TimePoint begin, TimePoint end) const;

    Span run_;
    std::vector<std::uint32_t> bins_;
    std::vector<TimePoint> recovered_;
};

}  // namespace hwenroll::simulation
