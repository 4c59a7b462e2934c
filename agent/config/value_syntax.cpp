#include "agent/config/value_syntax.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/config/refusal.h"

namespace hwenroll::config {
namespace {

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || text.empty() || text.front() == '-') {
        return std::nullopt;
    }
    return value;
}

/// Splits `24h` into its number and its unit; the number is absent when there is none or it is too large.
std::pair<std::optional<std::int64_t>, std::string_view> quantity(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::string_view unit = text.substr(digits);
    while (!unit.empty() && unit.front() == ' ') {
        unit.remove_prefix(1);
    }
    return {number<std::int64_t>(text.substr(0, digits)), unit};
}

bool all_of_set(std::string_view text, std::string_view set) {
    return text.find_first_not_of(set) == std::string_view::npos;
}

constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view digit = "0123456789";

std::string word_set(std::string_view more) {
    return fmt::format("{}{}{}{}", lower, upper, digit, more);
}

/// Minutes since midnight of `HH:MM`; 24:00 is the end of the day.
std::optional<std::chrono::minutes> time_of_day(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') {
        return std::nullopt;
    }
    const auto hours = number<int>(text.substr(0, 2));
    const auto minutes = number<int>(text.substr(3));
    if (!hours || !minutes || *minutes > 59 || *hours * 60 + *minutes > 24 * 60) {
        return std::nullopt;
    }
    return std::chrono::minutes(*hours * 60 + *minutes);
}

/// The bits of `Sun,Mon`; nothing when a word is no day.
std::optional<std::uint8_t> days_of_week(std::string_view text) {
    constexpr std::array<std::string_view, 7> names{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    unsigned days = 0;
    while (true) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const auto* const found = std::find(names.begin(), names.end(), text.substr(0, comma));
        if (found == names.end()) {
            return std::nullopt;
        }
        days |= 1U << static_cast<unsigned>(found - names.begin());
        if (comma == text.size()) {
            return static_cast<std::uint8_t>(days);
        }
        text.remove_prefix(comma + 1);
    }
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    using std::chrono::milliseconds;
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> units{{{"ms", 1},
                                                                              {"s", 1000},
                                                                              {"m", 60'000},
                                                                              {"min", 60'000},
                                                                              {"h", 3'600'000},
                                                                              {"d", 86'400'000},
                                                                              {"w", 604'800'000}}};
    constexpr std::int64_t longest = std::int64_t{36'525} * 86'400'000;
    const auto parts = quantity(text);
    const auto* const unit =
        std::find_if(units.begin(), units.end(), [&](const auto& known) { return known.first == parts.second; });
    if (unit == units.end() || !parts.first) {
        return refuse("is no duration", "write a whole number and a unit: 500ms, 90s, 10min, 24h, 30d");
    }
    if (*parts.first > longest / unit->second) {
        return refuse("is longer than 100 years", "write a shorter duration");
    }
    return milliseconds(*parts.first * unit->second);
}

Result<Seconds> parse_seconds(std::string_view text) {
    const auto duration = parse_duration(text);
    if (!duration) {
        return fail(duration.error());
    }
    if (*duration % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
        return refuse("is not in whole seconds", "write a whole number of seconds, e.g. 90s");
    }
    return std::chrono::duration_cast<Seconds>(*duration);
}

Result<Percent> parse_percent(std::string_view text) {
    const auto parts = quantity(text);
    if (parts.second != "%" || !parts.first || *parts.first < 1 || *parts.first > 99) {
        return refuse("is no percentage from 1% to 99%", "write it as in 75%");
    }
    return Percent{static_cast<int>(*parts.first)};
}

Result<LifetimePoint> parse_lifetime_point(std::string_view text) {
    if (!text.empty() && text.back() == '%') {
        const auto percent = parse_percent(text);
        return percent ? Result<LifetimePoint>(*percent) : fail(percent.error());
    }
    const auto time = parse_seconds(text);
    if (!time || *time == Seconds(0)) {
        return refuse("is neither a percentage from 1% to 99% nor a time before expiry",
                      "write it as in 75% of the lifetime, or 30d before its end");
    }
    return LifetimePoint(*time);
}

Result<std::int64_t> parse_size(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> units{
        {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}}};
    const auto parts = quantity(text);
    const auto* const unit =
        std::find_if(units.begin(), units.end(), [&](const auto& known) { return known.first == parts.second; });
    if (unit == units.end() || !parts.first || *parts.first > (std::int64_t{1} << 40U)) {
        return refuse("is no size", "write octets, or a number with KiB or MiB");
    }
    return *parts.first * unit->second;
}

Result<std::chrono::year_month_day> parse_date(std::string_view text) {
    const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
    const auto year = number<int>(text.substr(0, shaped ? 4 : 0));
    const auto month = number<unsigned>(shaped ? text.substr(5, 2) : "");
    const auto day = number<unsigned>(shaped ? text.substr(8, 2) : "");
    if (!year || !month || !day) {
        return refuse("is no date", "write it as in 2027-12-31");
    }
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok()) {
        return refuse("is a day that does not exist", "write a day of the calendar as in 2027-12-31");
    }
    return date;
}

bool is_part_name(std::string_view text) {
    return !text.empty() && text.size() <= 64 && all_of_set(text, fmt::format("{}{}._-", lower, digit)) &&
           all_of_set(text.substr(0, 1), fmt::format("{}{}", lower, digit));
}

Result<ActivateWindow> parse_activate_window(std::string_view text) {
    constexpr const char* advice = "write it as in 'Sun 02:00-04:00' or '22:00-06:00'";
    ActivateWindow window;
    if (const std::size_t blank = text.find(' '); blank != std::string_view::npos) {
        const auto days = days_of_week(text.substr(0, blank));
        if (!days) {
            return refuse("names a day that is none of Sun, Mon, Tue, Wed, Thu, Fri, Sat", advice);
        }
        window.days = *days;
        text.remove_prefix(blank + 1);
    }
    const bool shaped = text.size() == 11 && text[5] == '-';
    const auto from = shaped ? time_of_day(text.substr(0, 5)) : std::nullopt;
    const auto to = shaped ? time_of_day(text.substr(6)) : std::nullopt;
    if (!from || !to || *from == *to || *from == std::chrono::hours(24) || *to == std::chrono::minutes(0)) {
        return refuse("is no span of a day", advice);
    }
    window.from = from.value();
    window.to = to.value();
    return window;
}

Result<std::uint32_t> parse_mode(std::string_view text) {
    std::uint32_t mode = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, mode, 8);
    if (text.size() < 3 || text.size() > 4 || error != std::errc() || stop != end) {
        return refuse("is no file mode", "write octal permissions in quotes, e.g. \"0644\"");
    }
    if ((mode & ~0644U) != 0 || (mode & 0400U) == 0) {
        return refuse("lets others write or execute, or keeps the owner from reading",
                      "certificates are public: use \"0644\", or \"0640\" with a group");
    }
    return mode;
}

Result<std::string> parse_group(std::string_view text) {
    if (text.empty() || text.size() > 32 || !all_of_set(text, word_set("_.-")) ||
        !all_of_set(text.substr(0, 1), word_set("_").substr(0, 52) + "_")) {
        return refuse("is no name of a group");
    }
    return std::string(text);
}

Result<TransactionIdRule> parse_transaction_id_rule(std::string_view text) {
    using Kind = TransactionIdRule::Kind;
    constexpr std::string_view fixed = "fixed:";
    if (text == "random") {
        return TransactionIdRule{Kind::random, {}};
    }
    if (text == "spki-sha256") {
        return TransactionIdRule{Kind::spki_sha256, {}};
    }
    if (text == "spki-sha1") {
        return TransactionIdRule{Kind::spki_sha1, {}};
    }
    if (!text.starts_with(fixed)) {
        return refuse(fmt::format("does not know the rule '{}'", text),
                      "use random, spki-sha256, spki-sha1 or fixed:TEXT");
    }
    text.remove_prefix(fixed.size());
    if (text.empty() || text.size() > 128 || !all_of_set(text, word_set(" '()+,-./:=?"))) {
        return refuse("has a fixed text that is no PrintableString of 1 to 128 characters (RFC 8894 §3.2.1.1)");
    }
    return TransactionIdRule{Kind::fixed, std::string(text)};
}

}  // namespace hwenroll::config
