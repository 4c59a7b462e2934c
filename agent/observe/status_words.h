// The words that people see for an identity's state: one table over the phases (design, "Interfaces").
#pragma once

#include <string>

#include "agent/lifecycle/step.h"

namespace hwenroll::observe {

/// NEW KEYGEN REQUESTED PENDING OK RENEWING SHADOW-READY DEPLOYING RETRYING HELD(reason) EXPIRED, judged at `now`.
std::string status_word(const lifecycle::IdentityState& state, TimePoint now);

/// `rejected`, `message-cap`, `key-refused`, `cancelled`.
std::string to_text(lifecycle::HoldReason reason);

/// `nothing`, `timer`, `token`, `pin`, `network`, `ca`, `operator`, `clock`.
std::string to_text(lifecycle::WaitingFor reason);

/// One sentence: what happens next and when, for a person.
std::string next_step(const lifecycle::IdentityState& state, TimePoint now);

/// What is wrong, for an alert: one line, without the identity's name.
std::string alert_text(const lifecycle::IdentityState& state, lifecycle::RaiseAlert::Kind kind, TimePoint now);

}  // namespace hwenroll::observe
