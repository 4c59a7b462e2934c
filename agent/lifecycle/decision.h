// What the handlers of step() share. Internal to agent/lifecycle.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {

/// What a handler needs beside its event. `next` starts as a copy of the state and becomes the result.
struct Decision {
    const Draw& draw;
    const Policy& policy;
    TimePoint now;
    IdentityState next;
    std::vector<Effect> effects = {};
    std::string note = {};
    bool settled = false;  ///< the event made sense and left nothing under way: what else is due may begin

    void emit(Effect effect) { effects.push_back(std::move(effect)); }
    [[nodiscard]] Bytes drawn_id() const { return {draw.identifier.begin(), draw.identifier.end()}; }
};

/// Drops what is waited for.
void clear_wait(Decision& d);

/// A lifetime to scale constants by: the current certificate's, or the longest.
Seconds life_at_hand(const IdentityState& state);

/// RT-8 with the bounds of the design: scaled by the lifetime, never beyond a tenth of what remains of it.
Seconds backoff(const Decision& d, std::uint32_t failures);

bool is_expired(const IdentityState& state, TimePoint now);

/// The CA has gone over to its successor, and the current certificate is still its predecessor's.
bool is_left_behind(const IdentityState& state, const Policy& policy);

/// The current certificate is the successor's already, before the CA has gone over (ROLL-13).
bool is_ahead(const IdentityState& state, const Policy& policy);

// The attempt (attempt.cpp, request.cpp, answer.cpp): from the choice of a key to an accepted certificate.

/// Begins an enrollment. Nothing else is under way.
void begin(Decision& d, Purpose purpose);
/// What the attempt needs now, if it may go on.
void go_on(Decision& d);
/// Ends the attempt and gives its key up.
void abandon(Decision& d);
/// Lets a hold end.
void release(Decision& d);
/// Turns the attempt under way into what an operator wants, unless it is that or the CA is deciding it. False: it is.
bool redirect(Decision& d, Wish what);

// Publication (publication.cpp): from an accepted certificate to told consumers and destroyed keys.

/// Takes a credential that is to be published next, under a new generation.
void queue(Decision& d, Credential credential);
/// Marks a key as not needed any more: destroyed once `confirmed`, but not while something else needs it. A key that
/// was retired before keeps its time, or begins a new one if its successor has yet to be confirmed.
void retire(Decision& d, const KeyRecord& key, bool confirmed);

}  // namespace hwenroll::lifecycle
