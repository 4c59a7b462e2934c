// The spellings of value_syntax.h, written: each text reads back to the same value. Internal to this module.
#pragma once

#include <chrono>
#include <string>

#include "agent/config/configuration.h"

namespace hwenroll::config {

/// In the largest unit that divides it: `90s`, `24h`, `30d`, `500ms`.
std::string duration_text(std::chrono::milliseconds duration);

/// `75%` or `30d`.
std::string to_text(const LifetimePoint& point);

/// `SHA256:6F:…`.
std::string fingerprint_text(const Bytes& fingerprint);

/// `random`, `fixed:…`.
std::string to_text(const TransactionIdRule& rule);

/// `same,poll,new`.
std::string to_text(const std::vector<Resync>& steps);

/// `Sun,Mon 02:00-04:00`; without days when it is every day.
std::string to_text(const ActivateWindow& window);

/// `blob` or `persistent:0x81000010-0x8100001f`.
std::string to_text(const TpmStorage& storage);

}  // namespace hwenroll::config
