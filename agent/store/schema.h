// The tables of state.db and the steps from one version of them to the next.
#pragma once

#include "agent/store/database.h"

namespace hwenroll::store {

/// The version that this program reads and writes (PRAGMA user_version). Version 1 was never released and changed while
/// it was made: it is refused, not guessed at.
inline constexpr int schema_version = 11;

/// The script that makes the tables of version `first`, and one for each version after it.
struct Layout {
    const char* create;
    int first;
    const char* const* steps;
    int step_count;
    [[nodiscard]] constexpr int version() const { return first + step_count; }
};

/// Makes the tables of an empty database, and brings one of an older version up, one transaction per step.
/// Errors: state_database; state_version when it is newer than the layout, or older than its first version.
Status migrate(Database& database, const Layout& wanted);
Status migrate(Database& database);  ///< to schema_version

/// For read-only use: the version must be exactly that of the layout. Errors: state_version, state_database.
Status require_current_version(Database& database, const Layout& wanted);
Status require_current_version(Database& database);  ///< schema_version

}  // namespace hwenroll::store
