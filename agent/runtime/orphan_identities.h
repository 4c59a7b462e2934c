// Identities that have left the configuration, and whose certificates their consumers go on with (F4).
#pragma once

#include <map>
#include <string>

#include "agent/config/configuration.h"
#include "agent/store/store.h"

namespace hwenroll::runtime {

/// By their names: what is left of each, and what to do about it (unknown_name). One that never had a certificate
/// leaves nothing that anybody would miss. Errors: state_database.
Result<std::map<std::string, Error>> orphan_identities(store::Store& store, const config::Configuration& configuration);

}  // namespace hwenroll::runtime
