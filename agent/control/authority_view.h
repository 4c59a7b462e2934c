// From a CA's stored state to what people see of it: one place for the daemon and for commands beside none.
#pragma once

#include "agent/control/service.h"
#include "agent/lifecycle/authority_state.h"

namespace hwenroll::control {

/// The view of `state`, of the CA with this configured name.
AuthorityView view_of(const std::string& name, const lifecycle::AuthorityState& state);

}  // namespace hwenroll::control
