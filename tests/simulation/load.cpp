#include "tests/simulation/load.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hwenroll::simulation {
namespace {

constexpr Seconds bin = 5 * minute;
constexpr std::size_t identities_per_bin_width = 7500;
constexpr std::size_t most_bins = 6;
constexpr Seconds settled = 75 * day;
constexpr Seconds after_downtime = 12 * hour;

}  // namespace

Load::Load(Span run) : run_(run), bins_(static_cast<std::size_t>((run.end - run.begin) / bin) + 1) {}

void Load::count(TimePoint issued_at) {
    ++bins_[static_cast<std::size_t>((issued_at - run_.begin) / bin)];
}

void Load::add(const Load& other) {
    std::ranges::transform(bins_, other.bins_, bins_.begin(), std::plus<>{});
    recovered_.insert(recovered_.end(), other.recovered_.begin(), other.recovered_.end());
}

double Load::in_span(TimePoint begin, TimePoint end) const {
    const auto first = bins_.begin() + (begin - run_.begin) / bin;
    return std::accumulate(first, bins_.begin() + (end - run_.begin) / bin, 0.0);
}

Seconds Load::recovery(const AuthorityTimeline& timeline) const {
    std::vector<TimePoint> sorted = recovered_;
    if (sorted.empty()) {
        return Seconds(0);
    }
    std::ranges::sort(sorted);
    return sorted[(sorted.size() * 95 + 99) / 100 - 1] - timeline.outage().end;
}

Load::Peak Load::after_outage(const AuthorityTimeline& timeline) const {
    const TimePoint begin = timeline.outage().end;
    if (recovered_.empty()) {
        return {};
    }
    const auto factor = std::clamp<std::size_t>(identities_per_bin_width / recovered_.size(), 1, most_bins);
    const Seconds width = bin * static_cast<std::int64_t>(factor);
    const auto wide = std::max<std::int64_t>(1, (recovery(timeline) + width - Seconds(1)) / width);
    Peak peak;
    for (std::int64_t i = 0; i < wide; ++i) {
        const double issued = in_span(begin + i * width, begin + (i + 1) * width);
        if (issued > peak.highest) {
            peak.highest = issued;
            peak.at = begin + i * width;
        }
    }
    // The last bin ends after the 95 %; the mean is over the time up to them.
    peak.mean = static_cast<double>(recovered_.size()) * 0.95 * static_cast<double>(width.count()) /
                static_cast<double>(std::max(width, recovery(timeline)).count());
    return peak;
}

Load::Peak Load::in_any_day(const AuthorityTimeline& timeline) const {
    Peak worst;
    double most = -1;
    auto downtime = timeline.downtimes().begin();
    for (TimePoint begin = run_.begin + settled; begin + day <= timeline.outage().begin; begin += hour) {
        while (downtime->end + after_downtime <= begin) {
            ++downtime;
        }
        if (downtime->begin < begin + day) {
            continue;
        }
        Peak peak{0, in_span(begin, begin + day) / 24, {}};
        for (TimePoint at = begin; at < begin + day; at += hour) {
            const double issued = in_span(at, at + hour);
            if (issued > peak.highest) {
                peak.highest = issued;
                peak.at = at;
            }
        }
        const double excess = peak.highest - std::max(1.5 * peak.mean, peak.mean + 6 * std::sqrt(peak.mean) + 6);
        if (worst.mean == 0 || excess > most) {
            most = excess;
            worst = peak;
        }
    }
    return worst;
}

}  // namespace hwenroll::simulation
