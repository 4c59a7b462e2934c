// An identity's rows that hold keys with their certificates, in the slots next, current and shadow, and retired keys.
#pragma once

#include <string>

#include "agent/lifecycle/identity_state.h"
#include "agent/store/database.h"

namespace hwenroll::store {

/// Reads next, current, shadow and retired keys into `state`. Error code: state_database, also for rows that do not
/// belong together.
Status read_credentials(Database& database, const std::string& name, lifecycle::IdentityState& state);

/// Writes them; the rows of the identity are empty before.
Status write_credentials(Database& database, const std::string& name, const lifecycle::IdentityState& state);

/// One key in a slot.
Result<std::optional<lifecycle::KeyRecord>> read_key(Database& database, const std::string& name,
                                                     std::string_view slot);
Status write_key(Database& database, const std::string& name, std::string_view slot, const lifecycle::KeyRecord& key);

}  // namespace hwenroll::store
