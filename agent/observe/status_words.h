// The words that people see for an identity's state: one table over the phases (design, "Interfaces").
#pragma once

#include <string>

#include "agent/lifecycle/identity_state.h"

namespace hwenroll::observe {

/// NEW KEYGEN REQUESTED PENDING OK RETRYING HELD(reason) EXPIRED DEPLOYING, judged at `now`.
std::string status_word(const lifecycle::IdentityState& state, TimePoint now);

/// `rejected`, `message-cap`, `key-refused`.
std::string to_text(lifecycle::HoldReason reason);

/// `nothing`, `timer`, `token`, `pin`, `network`, `ca`, `operator`, `clock`.
std::string to_text(lifecycle::WaitingFor reason);

/// One sentence: what happens next and when, for a person.
std::string next_step(const lifecycle::IdentityState& state, TimePoint now);

}  // namespace hwenroll::observe
