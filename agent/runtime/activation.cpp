#include "agent/runtime/activation.h"

#include <ctime>

namespace hwenroll::runtime {
namespace {

using std::chrono::minutes;

constexpr minutes day{24 * 60};

bool is_day(const config::ActivateWindow& window, int weekday) {
    return (window.days >> static_cast<unsigned>(weekday) & 1U) != 0;
}

/// The window of the day that began at local midnight may last into the next day.
bool is_open(const config::ActivateWindow& window, int weekday, minutes since_midnight) {
    const bool overnight = window.to <= window.from;
    const minutes end = overnight ? window.to + day : window.to;
    const bool today = is_day(window, weekday) && since_midnight >= window.from && since_midnight < end;
    const bool yesterday = overnight && is_day(window, (weekday + 6) % 7) && since_midnight < window.to;
    return today || yesterday;
}

}  // namespace

std::optional<TimePoint> next_opening(const config::ActivateWindow& window, TimePoint now) {
    const std::time_t seconds = now.time_since_epoch().count();
    std::tm local{};
    ::localtime_r(&seconds, &local);
    if (is_open(window, local.tm_wday, minutes(local.tm_hour * 60 + local.tm_min))) {
        return std::nullopt;
    }
    for (int ahead = 0; ahead <= 7; ++ahead) {
        std::tm opening = local;
        opening.tm_mday += ahead;
        opening.tm_hour = static_cast<int>(window.from.count() / 60);
        opening.tm_min = static_cast<int>(window.from.count() % 60);
        opening.tm_sec = 0;
        opening.tm_isdst = -1;
        const std::time_t at = std::mktime(&opening);
        if (at > seconds && is_day(window, opening.tm_wday)) {
            return TimePoint(Seconds(at));
        }
    }
    return std::nullopt;
}

}  // namespace hwenroll::runtime
