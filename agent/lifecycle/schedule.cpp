#include "agent/lifecycle/schedule.h"

#include <algorithm>

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds day{86400};

/// `part` of 2^32 of a span; spans of centuries (K8) stay within 64 bits.
Seconds share(Seconds span, std::uint32_t part) {
    const std::int64_t whole = span.count() >> 32;
    const std::int64_t rest = span.count() & 0xFFFFFFFF;
    return Seconds(whole * part + static_cast<std::int64_t>((static_cast<std::uint64_t>(rest) * part) >> 32U));
}

Seconds percent_of(Seconds span, int percent) {
    return span / 100 * percent + span % 100 * percent / 100;
}

}  // namespace

Seconds lifetime(const IssuedRecord& issued) {
    return std::max(Seconds(1), Seconds(issued.not_after - issued.not_before));
}

Seconds scaled(Seconds constant, Seconds life) {
    return std::max(Seconds(1), std::min(constant, life / 100));
}

TimePoint point_in(const IssuedRecord& issued, const LifetimeMark& mark) {
    const TimePoint point = mark.percent > 0 ? issued.not_before + percent_of(lifetime(issued), mark.percent)
                                             : issued.not_after - mark.before_end;
    return std::clamp(point, issued.not_before, std::max(issued.not_before, issued.not_after));
}

TimePoint renewal_due(const Credential& credential, const LifetimeMark& renew_at, int jitter_percent) {
    const Seconds most = percent_of(lifetime(credential.issued), jitter_percent);
    const TimePoint due = point_in(credential.issued, renew_at) - share(most, credential.jitter);
    return std::max(due, credential.issued.not_before);
}

bool is_capped(const IssuedRecord& issued, TimePoint authority_end, Seconds tolerance) {
    return issued.not_after >= authority_end - scaled(tolerance, lifetime(issued));
}

TimePoint successor_search_begin(TimePoint authority_begin, TimePoint authority_end) {
    const Seconds life = std::max(Seconds(1), Seconds(authority_end - authority_begin));
    return authority_end - std::max(life / 5, std::min(60 * day, life / 2));
}

Seconds successor_search_interval(TimePoint authority_begin, TimePoint authority_end) {
    return scaled(day, Seconds(authority_end - authority_begin));
}

Seconds doubled(Seconds first, Seconds longest, std::uint32_t times) {
    Seconds step = first;
    for (std::uint32_t i = 0; i < times && step < longest; ++i) {
        step *= 2;
    }
    return std::min(step, longest);
}

Seconds spread(Seconds step, std::uint32_t fraction) {
    const Seconds half = step / 2;
    return std::max(Seconds(1), half + share(half, fraction));
}

TimePoint next_alert(TimePoint last, TimePoint end) {
    const TimePoint monthly_ends = end - 60 * day;
    const TimePoint daily_begins = end - 7 * day;
    if (last < monthly_ends) {
        return monthly_ends;
    }
    if (last < daily_begins) {
        return std::min(last + 7 * day, daily_begins);
    }
    return last + day;
}

}  // namespace hwenroll::lifecycle
