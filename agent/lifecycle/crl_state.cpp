#include "agent/lifecycle/crl_state.h"

#include <algorithm>

#include "agent/lifecycle/schedule.h"

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds first_backoff{60};
constexpr Seconds longest_backoff{6 * 3600};
constexpr Seconds shortest_pause{60};
constexpr Seconds telling_pause{86400};

Seconds life_of(const CrlRecord& crl) {
    return crl.next_update ? std::max(Seconds(1), Seconds(*crl.next_update - crl.this_update)) : longest_crl_pause;
}

Seconds pause_after(const CrlRecord& crl, TimePoint now, std::uint32_t fraction) {
    const Seconds life = life_of(crl);
    const Seconds shortest = scaled(shortest_pause, life);
    if (!crl.next_update) {
        return longest_crl_pause;
    }
    const Seconds jitter = Seconds((static_cast<std::int64_t>(life.count() / 20) * fraction) >> 32);
    const TimePoint point = *crl.next_update - life / 10 - jitter;
    const Seconds left = *crl.next_update - now;
    return std::clamp(point > now ? Seconds(point - now) : left / 4, shortest, longest_crl_pause);
}

}  // namespace

const Bytes* issuer_of(const IssuedRecord& issued) {
    if (!issued.chain.empty()) {
        return issued.chain.data();
    }
    return issued.anchors.empty() ? nullptr : issued.anchors.data();
}

std::optional<CrlName> crl_of(const IssuedRecord& issued) {
    const Bytes* const issuer = issuer_of(issued);
    return issuer == nullptr ? std::nullopt : std::optional(CrlName{*issuer, issued.crl_scope});
}

const CrlState* find_crl(const std::vector<CrlState>& states, const CrlName& name) {
    const auto found = std::ranges::find_if(
        states, [&](const CrlState& one) { return one.issuer == name.issuer && one.scope == name.scope; });
    return found == states.end() ? nullptr : &*found;
}

CrlState after_fetch(CrlState state, const CrlRecord& received, TimePoint now, std::uint32_t fraction) {
    state.crl = received;
    state.fetched_at = now;
    state.next_try = now + pause_after(received, now, fraction);
    state.failures = 0;
    state.failure.reset();
    state.told_at.reset();
    return state;
}

CrlState after_failure(CrlState state, const Error& error, Seconds life, TimePoint now, std::uint32_t fraction) {
    const Seconds shorter = state.crl.digest.empty() ? life : std::min(life, life_of(state.crl));
    const Seconds step = doubled(scaled(first_backoff, shorter), longest_backoff, state.failures);
    const Seconds pause = spread(step, fraction);
    ++state.failures;
    state.failure = FailureRecord{error.code(), error.line(), now};
    state.next_try = now + std::max(pause, std::min(error.retry_after().value_or(pause), longest_crl_pause));
    return state;
}

TimePoint next_fetch(const CrlState& state, TimePoint now) {
    return state.next_try > now + longest_crl_pause ? now : state.next_try;
}

bool is_to_be_told(const CrlState& state, TimePoint now) {
    const bool ended = !state.crl.digest.empty() && state.crl.next_update && *state.crl.next_update < now;
    return ended && (!state.told_at || now >= *state.told_at + telling_pause || now < *state.told_at);
}

}  // namespace hwenroll::lifecycle
