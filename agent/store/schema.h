// The tables of state.db and the steps from one version of them to the next.
#pragma once

#include "agent/store/database.h"

namespace hwenroll::store {

/// The version that this program reads and writes (PRAGMA user_version).
inline constexpr int schema_version = 2;

/// Brings a database of any older version to schema_version, one transaction per step.
/// Errors: state_database; state_version when it is newer.
Status migrate(Database& database);

/// For read-only use: the version must be exactly schema_version. Error code: state_version, state_database.
Status require_current_version(Database& database);

}  // namespace hwenroll::store
