#include "agent/config/value_text.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "agent/config/words.h"

namespace hwenroll::config {
namespace {

std::string time_text(std::chrono::minutes time) {
    return fmt::format("{:02}:{:02}", time.count() / 60, time.count() % 60);
}

}  // namespace

std::string duration_text(std::chrono::milliseconds duration) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> units{
        {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}}};
    const std::int64_t count = duration.count();
    for (const auto& [unit, size] : units) {
        if (count >= size && count % size == 0) {
            return fmt::format("{}{}", count / size, unit);
        }
    }
    return count == 0 ? "0s" : fmt::format("{}ms", count);
}

std::string to_text(const LifetimePoint& point) {
    if (const auto* const percent = std::get_if<Percent>(&point)) {
        return fmt::format("{}%", percent->value);
    }
    return duration_text(std::get<Seconds>(point));
}

std::string fingerprint_text(const Bytes& fingerprint) {
    return "SHA256:" + to_hex(fingerprint, ':');
}

std::string to_text(const TransactionIdRule& rule) {
    switch (rule.kind) {
        case TransactionIdRule::Kind::random:
            return "random";
        case TransactionIdRule::Kind::spki_sha256:
            return "spki-sha256";
        case TransactionIdRule::Kind::spki_sha1:
            return "spki-sha1";
        case TransactionIdRule::Kind::fixed:
            return "fixed:" + rule.fixed;
    }
    return {};
}

std::string to_text(const std::vector<Resync>& steps) {
    std::string text;
    for (const Resync step : steps) {
        text += text.empty() ? "" : ",";
        text += word_of(resync_steps, step);
    }
    return text;
}

std::string to_text(const ActivateWindow& window) {
    constexpr std::array<std::string_view, 7> names{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    std::string days;
    for (std::size_t day = 0; day < names.size() && window.days != 0x7F; ++day) {
        if ((window.days >> day & 1U) != 0) {
            days += days.empty() ? "" : ",";
            days += names[day];
        }
    }
    return fmt::format("{}{}{}-{}", days, days.empty() ? "" : " ", time_text(window.from), time_text(window.to));
}

std::string to_text(const TpmStorage& storage) {
    return storage.first == 0 ? "blob" : fmt::format("persistent:0x{:08x}-0x{:08x}", storage.first, storage.last);
}

}  // namespace hwenroll::config
