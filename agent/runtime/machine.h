// Which machine this is: a state directory that was copied to another one must not go on as if it were the first (S16).
#pragma once

#include "agent/store/store.h"

namespace hwenroll::runtime {

/// A mark of this machine, made from /etc/machine-id, which it does not disclose; empty where there is none.
Bytes machine_mark();

/// Error code: state_machine, when what is stored was made on another machine. A state that names none takes this one.
Status check_machine(store::Store& store);

/// The operator says that the state belongs here. True: it belonged elsewhere.
Result<bool> accept_machine(store::Store& store);

}  // namespace hwenroll::runtime
