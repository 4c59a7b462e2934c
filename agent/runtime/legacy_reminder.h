// `legacy` ends one day, and people have to hear of it before (design, "Interfaces that must not drift").
#pragma once

#include <optional>
#include <string>

#include "agent/config/configuration.h"

namespace hwenroll::runtime {

/// From when on before its end `legacy` is spoken of.
inline constexpr Seconds legacy_notice_period{30 * 86400};

/// One line about a `legacy` that ends within the period or has ended; empty: nothing to say. The clock must be
/// trusted.
std::string legacy_notice(const std::string& authority, const config::LegacySettings& legacy, TimePoint now);

/// When it is to be told next, once a day from the period's beginning to the end; nothing: not any more. `told`: when
/// it was told last.
std::optional<TimePoint> legacy_notice_due(const config::LegacySettings& legacy, const std::optional<TimePoint>& told);

}  // namespace hwenroll::runtime
