// The rows of one CA: state.db's tables authorities and authority_certificates.
#pragma once

#include <string>

#include "agent/lifecycle/authority_state.h"
#include "agent/store/database.h"

namespace hwenroll::store {

/// Reads a state; the initial one when there are no rows. Error code: state_database.
Result<lifecycle::AuthorityState> read_authority(Database& database, const std::string& name);

/// Replaces all rows of the CA. To be called inside a DatabaseTransaction. Error code: state_database.
Status write_authority(Database& database, const std::string& name, const lifecycle::AuthorityState& state);

}  // namespace hwenroll::store
