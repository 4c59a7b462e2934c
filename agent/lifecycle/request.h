// What the handlers of the attempt share about its request. Internal to agent/lifecycle.
#pragma once

#include <string>
#include <string_view>

#include "agent/lifecycle/decision.h"

namespace hwenroll::lifecycle {

bool is_elsewhere(const KeyRecord& key, const Policy& policy);
bool is_signed_by_current(Purpose purpose);
bool is_for_another_request(const Decision& d);
bool is_somebody_elses(const Decision& d);
bool is_in(const Decision& d, Phase phase);
/// Invariant 5.
bool over_cap(const IdentityState& state, const Policy& policy);
void hold(Decision& d, HoldReason reason);

void make_key(Decision& d);
void retire_envelope_key(Decision& d);
std::optional<TimePoint> signer_end(const IdentityState& state, const Policy& policy);
void look_at_signer(Decision& d);
/// The key if it is not there yet, then the request.
void prepare(Decision& d);
void send(Decision& d);
void poll(Decision& d);
/// Asks the CA that has refused a request whether it has changed.
void reconsider(Decision& d);
void forget_refusals(Decision& d);
std::string with(std::string_view what, const std::string& algorithms);

}  // namespace hwenroll::lifecycle
