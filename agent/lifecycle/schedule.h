// When things are due: pure arithmetic over certificates, policy and stored randomness (REN-1, REN-2, ROLL-4, RT-7,
// RT-8).
#pragma once

#include "agent/lifecycle/identity_state.h"

namespace hwenroll::lifecycle {

/// A point in a certificate's lifetime: after `percent` of it, or `before_end` before its end.
struct LifetimeMark {
    int percent = 75;  ///< 1 to 99; 0: `before_end` counts
    Seconds before_end{};
    friend bool operator==(const LifetimeMark&, const LifetimeMark&) = default;
};

/// How long the certificate lives; at least a second.
Seconds lifetime(const IssuedRecord& issued);

/// The smaller of `constant` and a hundredth of `life`, at least a second: what is right for a year is right for the
/// certificates of minutes that labs use (design, "Limits").
Seconds scaled(Seconds constant, Seconds life);

/// Where the mark lies in the certificate's lifetime; never before notBefore, never after notAfter.
TimePoint point_in(const IssuedRecord& issued, const LifetimeMark& mark);

/// The renewal point, moved earlier by the credential's own share of `jitter_percent` of the lifetime.
TimePoint renewal_due(const Credential& credential, const LifetimeMark& renew_at, int jitter_percent);

/// REN-1: the CA's end cut the certificate short, so that only a successor can make a longer one.
bool is_capped(const IssuedRecord& issued, TimePoint authority_end, Seconds tolerance);

/// From when on a CA's successor is looked for: max(20 %, min(60 d, 50 %)) of its life before its end.
TimePoint successor_search_begin(TimePoint authority_begin, TimePoint authority_end);

/// How often: min(1 d, 1 % of its life).
Seconds successor_search_interval(TimePoint authority_begin, TimePoint authority_end);

/// `first` doubled `times` times, at most `longest`.
Seconds doubled(Seconds first, Seconds longest, std::uint32_t times);

/// A point in [step/2, step] by `fraction` of 2^32, at least a second (RT-8).
Seconds spread(Seconds step, std::uint32_t fraction);

/// Invariant 11: when the next alert is due after one at `last` about a certificate that ends at `end`: weekly within
/// 60 days of its end, daily within 7 days and after it.
TimePoint next_alert(TimePoint last, TimePoint end);

}  // namespace hwenroll::lifecycle
