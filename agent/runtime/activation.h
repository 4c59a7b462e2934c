// `activate_window`: when a renewed certificate may take the place of the current one.
#pragma once

#include <optional>

#include "agent/config/configuration.h"

namespace hwenroll::runtime {

/// The next time, in local time, at which the window opens; nothing when it is open at `now`. Days on which the clocks
/// change count as the C library does.
std::optional<TimePoint> next_opening(const config::ActivateWindow& window, TimePoint now);

}  // namespace hwenroll::runtime
