// Time as a parameter. Only agent/runtime reads a real clock (house rule: time is a parameter).
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace hwenroll {

/// Wall-clock time in whole seconds, the resolution of X.509.
using TimePoint = std::chrono::sys_seconds;

using Seconds = std::chrono::seconds;

/// Where a component that waits gets its time from. Implementations are in agent/runtime and in the tests.
class Clock {
 public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;

    /// Wall-clock time, UTC. Thread-safe.
    [[nodiscard]] virtual TimePoint now() const = 0;

    /// How long, in real time, one who waits for this clock to go on by `ahead` should sleep before looking again: a
    /// minute at most, since a clock may be set.
    [[nodiscard]] virtual std::chrono::milliseconds sleep_for(Seconds ahead) const {
        return std::clamp<std::chrono::milliseconds>(ahead, std::chrono::milliseconds(0), std::chrono::minutes(1));
    }
};

/// `2026-11-23T18:09:53Z`.
std::string to_iso8601(TimePoint time);

/// `3 d 4 h`, `12 min`, `45 s`: the two largest units, for people.
std::string to_words(Seconds duration);

}  // namespace hwenroll
