// The last moment before somebody else's code runs.
#pragma once

#include <functional>

#include "base/result.h"

namespace hwenroll::keystore {

/// Called by a token on its own thread before it loads a module or opens a TPM, each time; a PIN that the call needs
/// has been read before. What it refuses is the error of the call, and nothing is loaded. Empty: nothing is asked.
using VendorGate = std::function<Status()>;

/// Asks `gate`.
inline Status pass(const VendorGate& gate) {
    return gate ? gate() : Status();
}

}  // namespace hwenroll::keystore
