// What happens with accepted certificates and old keys: handlers of step(). Internal to agent/lifecycle.
#pragma once

#include "agent/lifecycle/decision.h"

namespace hwenroll::lifecycle {

/// Begins a publication that is due. True: it is under way.
bool publish(Decision& d);
/// Consumers use the new key: what it replaced may go after a while. How long that is only a clock that is trusted can
/// say; until then the keys stay as they are (K1).
void confirm(Decision& d);

// delivery.cpp

/// Consumers see another generation; `confirmed` is confirmed_end() before it.
void begin_delivery(Decision& d, std::uint64_t generation, std::optional<TimePoint> confirmed);
/// Tells consumers, if that is due. Where none are to be told any more, what is known of them is forgotten.
bool deliver(Decision& d);
/// Lets a delivery that has failed be tried at once. False: none has.
bool deliver_again(Decision& d);
void on(Decision& d, const Delivered& event);

// publication.cpp

/// Destroys a key that is due.
bool destroy(Decision& d);

/// The next generation is of the current certificate: for its anchors, its CRL, or because what was published is gone.
bool is_queued_again(const IdentityState& state);

/// True when the next credential's publication is under way or waits for its time, as it should.
bool publishes_in_order(const IdentityState& state, const Policy& policy);

/// S7: consumers see the certificate of `next` (Started::next_seen). No clock and no window is asked any more; whether
/// the fsync behind the switch has come is not known.
void take_what_is_seen(Decision& d, const Started& event);

/// K3: no time that the publication waits for is later than it could be by this clock.
void bound_publication(Decision& d, Seconds longest);

/// When publish(), deliver() or destroy() have something to do by themselves; the epoch: now.
std::vector<TimePoint> publication_times(const IdentityState& state, const Policy& policy);

void on(Decision& d, const GenerationPublished& event);
void on(Decision& d, const PublicationFailed& event);
void on(Decision& d, const KeyDestroyed& event);
void on(Decision& d, const PublishedFound& event);

}  // namespace hwenroll::lifecycle
