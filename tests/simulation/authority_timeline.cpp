#include "tests/simulation/authority_timeline.h"

#include <algorithm>

#include "tests/simulation/random.h"

namespace hwenroll::simulation {
namespace {

constexpr TimePoint beginning{Seconds(1'800'000'000)};
constexpr Seconds authority_life = 5 * 365 * day;
constexpr Seconds first_end = 800 * day;
constexpr Seconds next_offered = 60 * day;
constexpr Seconds outage_length = 72 * hour;

Generation make_generation(std::uint8_t index, TimePoint end) {
    Generation made;
    made.validity = {end - authority_life, end};
    made.fingerprint = {0xF0, index};
    made.record.capabilities = "AES";
    made.record.certificates = {{0xCA, index}};
    made.record.anchor = {0xCA, index};
    made.record.anchor_fingerprint = made.fingerprint;
    made.record.not_before = made.validity.begin;
    made.record.not_after = made.validity.end;
    return made;
}

/// Pieces of 5 minutes to 4 hours, a hundred times as far apart as they are long.
std::vector<Span> random_downtimes(Span run, Span outage, Random random) {
    constexpr Seconds shortest = 5 * minute;
    constexpr Seconds longest = 4 * hour;
    std::vector<Span> all;
    bool past_outage = false;
    for (TimePoint at = run.begin; at < run.end;) {
        at += random.between(Seconds(0), 99 * (shortest + longest));
        if (!past_outage && at + longest >= outage.begin) {
            all.push_back(outage);
            past_outage = true;
            at = outage.end + hour;
            continue;
        }
        all.push_back({at, at + random.between(shortest, longest)});
        at = all.back().end;
    }
    return all;
}

}  // namespace

AuthorityTimeline::AuthorityTimeline(std::uint64_t seed, int years)
    : run_{beginning, beginning + years * 365 * day},
      outage_{beginning + std::min(500 * day, (run_.end - run_.begin) * 2 / 5), {}} {
    outage_.end = outage_.begin + outage_length;
    downtimes_ = random_downtimes(run_, outage_, Random(seed));
    for (TimePoint end = beginning + first_end; end < run_.end + 2 * authority_life; end += authority_life) {
        generations_.push_back(make_generation(static_cast<std::uint8_t>(generations_.size()), end));
    }
}

bool AuthorityTimeline::reachable(TimePoint now) const {
    const auto later =
        std::ranges::upper_bound(downtimes_, now, {}, [](const Span& downtime) { return downtime.begin; });
    return later == downtimes_.begin() || now >= std::prev(later)->end;
}

std::size_t AuthorityTimeline::in_office(TimePoint now) const {
    std::size_t index = 0;
    while (now >= generations_[index].validity.end) {
        ++index;
    }
    return index;
}

bool AuthorityTimeline::offers_next(TimePoint now) const {
    return now >= generations_[in_office(now)].validity.end - next_offered;
}

const Generation* AuthorityTimeline::find(const Bytes& fingerprint) const {
    const auto found = std::ranges::find(generations_, fingerprint, &Generation::fingerprint);
    return found == generations_.end() ? nullptr : &*found;
}

}  // namespace hwenroll::simulation
