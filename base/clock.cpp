#include "base/clock.h"

#include <array>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace hwenroll {

std::string to_iso8601(TimePoint time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count());
}

std::string to_words(Seconds duration) {
    constexpr std::array<std::pair<long, std::string_view>, 4> units{
        {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
    if (duration < Seconds(0)) {
        return "-" + to_words(-duration);
    }
    long left = duration.count();
    for (std::size_t i = 0; i < units.size(); ++i) {
        const long count = left / units[i].first;
        if (count == 0 && i + 1 < units.size()) {
            continue;
        }
        std::string text = fmt::format("{} {}", count, units[i].second);
        left %= units[i].first;
        if (i + 1 < units.size() && left / units[i + 1].first != 0) {
            text += fmt::format(" {} {}", left / units[i + 1].first, units[i + 1].second);
        }
        return text;
    }
    return "0 s";
}

}  // namespace hwenroll
