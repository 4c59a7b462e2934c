#include "base/scaled_time.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hwenroll {
namespace {

constexpr std::string_view heading = "hwenroll-clock 1";
constexpr TimePoint last_time = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1) - Seconds(1);

/// Takes ` NUMBER` with 0 <= NUMBER <= `max` from the front of `text`.
bool take_number(std::string_view& text, std::int64_t max, std::int64_t& number) {
    if (!text.starts_with(' ')) {
        return false;
    }
    const char* const begin = text.data() + 1;
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || number > max || *begin == '-') {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

}  // namespace

Result<ScaledTime> ScaledTime::from_text(std::string_view text) {
    std::string_view rest = text.starts_with(heading) ? text.substr(heading.size()) : std::string_view();
    std::int64_t monotonic = 0;
    std::int64_t wall = 0;
    ScaledTime out;
    if (!take_number(rest, INT64_MAX, monotonic) || !take_number(rest, last_time.time_since_epoch().count(), wall) ||
        !take_number(rest, max_rate, out.rate) || (!rest.empty() && rest != "\n")) {
        return fail(ErrorCode::input_file, "this is no test clock", printable(text, 80),
                    fmt::format("write '{} <monotonic_ns> <wall_seconds> <rate>'", heading));
    }
    out.monotonic = std::chrono::nanoseconds(monotonic);
    out.wall = TimePoint(Seconds(wall));
    return out;
}

std::string ScaledTime::text() const {
    return fmt::format("{} {} {} {}\n", heading, monotonic.count(), wall.time_since_epoch().count(), rate);
}

TimePoint ScaledTime::at(std::chrono::nanoseconds now) const {
    const std::chrono::nanoseconds elapsed = std::max(now - monotonic, std::chrono::nanoseconds(0));
    const auto whole = std::chrono::floor<Seconds>(elapsed);
    // In two parts, so that no product leaves 64 bits.
    const Seconds gone = whole * rate + std::chrono::floor<Seconds>((elapsed - whole) * rate);
    return std::min(wall + gone, last_time);
}

}  // namespace hwenroll
