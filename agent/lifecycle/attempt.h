// The attempt's handlers of step(). Internal to agent/lifecycle.
#pragma once

#include "agent/lifecycle/decision.h"

namespace hwenroll::lifecycle {

/// True when a hold may end by itself: another configuration, its time, a signer that can sign no more, or a successor
/// that was replaced.
bool is_released(const Decision& d);

/// When go_on() or is_released() have something to do; the epoch: now. There is an attempt.
TimePoint attempt_time(const IdentityState& state, const Policy& policy);

void on(Decision& d, const KeyReady& event);
void on(Decision& d, const RequestPrepared& event);
void on(Decision& d, const RecipientChanged& event);
void on(Decision& d, const CertificateIssued& event);
void on(Decision& d, const RequestPending& event);
void on(Decision& d, const RequestRejected& event);
void on(Decision& d, const AuthorityReconsidered& event);
void on(Decision& d, const EffectFailed& event);
void on(Decision& d, const Cancelled& event);
void on(Decision& d, const CertificateAdopted& event);

}  // namespace hwenroll::lifecycle
