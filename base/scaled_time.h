// Wall-clock time as a linear function of CLOCK_MONOTONIC: what a test clock file says. No I/O and no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace hwenroll {

/// A virtual wall clock. Its file has one line, `hwenroll-clock 1 <monotonic_ns> <wall_seconds> <rate>`, in decimal.
struct ScaledTime {
    static constexpr std::int64_t max_rate = 100'000'000;

    std::chrono::nanoseconds monotonic{};  ///< CLOCK_MONOTONIC when it was `wall`
    TimePoint wall;                        ///< from 1970 to the end of 9999
    std::int64_t rate = 1;                 ///< virtual seconds in a real one, 0 … max_rate; 0 stands still

    /// Reads the line, with or without its newline and nothing behind it. Error code: input_file.
    static Result<ScaledTime> from_text(std::string_view text);

    /// The line with its newline.
    [[nodiscard]] std::string text() const;

    /// Virtual wall time when CLOCK_MONOTONIC is `now`; never before `wall` and never beyond the year 9999.
    [[nodiscard]] TimePoint at(std::chrono::nanoseconds now) const;

    friend bool operator==(const ScaledTime&, const ScaledTime&) = default;
};

}  // namespace hwenroll
