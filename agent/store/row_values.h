// How values of the agent stand in columns.
#pragma once

#include <optional>
#include <string>

#include "agent/store/database.h"
#include "base/clock.h"
#include "base/error.h"

namespace hwenroll::store {

/// Seconds since the epoch.
std::int64_t seconds(TimePoint time);
TimePoint time_at(const Statement& row, int column);

/// NULL for nothing.
Statement& bind(Statement& row, const std::optional<TimePoint>& time);

/// Codes are stored by their spelling, which never changes; nothing for one that this version does not know.
std::optional<ErrorCode> error_code_of(const std::string& name);

/// Rows of an identity that cannot be true together are never guessed around.
Error contradiction(const std::string& name, const std::string& what);

}  // namespace hwenroll::store
