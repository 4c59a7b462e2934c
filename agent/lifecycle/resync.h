// What to do about a request whose answer never came (RT-3, RT-4). Internal to agent/lifecycle.
#pragma once

#include <optional>

#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {

/// How the request is being taken up; nothing: it is not, or the CA is deciding it.
std::optional<Resync> recovery_of(const Transaction& transaction, const Policy& policy);

/// What was asked last is what became of the request, not the request.
bool asks_by_poll(const Transaction& transaction, const Policy& policy);

/// Nothing of the request has reached a CA yet, as far as is known.
bool was_not_sent(const IdentityState& state, const Transaction& transaction);

/// A refusal of the request, or of a question about it, that an answer may explain which never came (RT-3, FI-4).
bool may_have_been_lost(const Enrollment& enrollment, const Transaction& request, const Policy& policy,
                        const std::optional<scep::FailInfo>& reason);

/// The way of Policy::resync that follows a refusal of the last one; nothing when all were gone.
std::optional<Resync> next_recovery(Transaction& request, const Policy& policy);

/// A poll brought a certificate that was refused: another one would bring it again. Not what a token in trouble could
/// not open.
bool is_answered_for_good(const Enrollment& enrollment, const Policy& policy, const Error& refusal);

}  // namespace hwenroll::lifecycle
