// The rows of one identity: state.db's tables identities, keys, transactions, certificates and deployments.
#pragma once

#include <string>

#include "agent/lifecycle/identity_state.h"
#include "agent/store/database.h"

namespace hwenroll::store {

/// Reads a state; the initial one when there are no rows. Error code: state_database.
Result<lifecycle::IdentityState> read_identity(Database& database, const std::string& name);

/// Replaces all rows of the identity. To be called inside a DatabaseTransaction. Error code: state_database.
Status write_identity(Database& database, const std::string& name, const std::string& token,
                      const lifecycle::IdentityState& state);

}  // namespace hwenroll::store
