#include "agent/runtime/legacy_reminder.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::runtime {
namespace {

constexpr Seconds one_day{86400};

std::string words_of(const config::LegacySettings& legacy) {
    const std::array<std::pair<bool, const char*>, 4> parts{{{legacy.des_cbc_reply, "des-cbc-reply"},
                                                             {legacy.des3, "des3"},
                                                             {legacy.sha1_reply, "sha1-reply"},
                                                             {legacy.sha1_request, "sha1-request"}}};
    std::string words;
    for (const auto& [on, word] : parts) {
        if (on) {
            words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", word);
        }
    }
    return words;
}

}  // namespace

std::string legacy_notice(const std::string& authority, const config::LegacySettings& legacy, TimePoint now) {
    if (!legacy.until || now < *legacy.until - legacy_notice_period) {
        return {};
    }
    const std::string what = fmt::format("ca {}: legacy = [{}]", authority, words_of(legacy));
    const std::string last_day = to_iso8601(*legacy.until - one_day).substr(0, 10);
    if (now >= *legacy.until) {
        return fmt::format("{} has ended with {}, nothing is permitted by it any more", what, last_day);
    }
    return fmt::format("{} ends with {}, in {}; have the CA use AES and SHA-256 by then, or set another 'legacy_until'",
                       what, last_day, to_words(*legacy.until - now));
}

std::optional<TimePoint> legacy_notice_due(const config::LegacySettings& legacy, const std::optional<TimePoint>& told) {
    if (!legacy.until) {
        return std::nullopt;
    }
    const TimePoint begin = *legacy.until - legacy_notice_period;
    const TimePoint due = told ? std::max(begin, *told + one_day) : begin;
    return due < *legacy.until ? std::optional(due) : std::nullopt;
}

}  // namespace hwenroll::runtime
