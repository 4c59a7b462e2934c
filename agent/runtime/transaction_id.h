// The transactionID of a new request by a CA's `txid` (MSG-4 to MSG-6).
#pragma once

#include <optional>

#include "agent/config/configuration.h"
#include "agent/lifecycle/identity_state.h"
#include "base/public_key.h"

namespace hwenroll::runtime {

/// `random` itself, the operator's text, or the hash of the key that is to be certified. The hash is not taken for a
/// key that has a certificate already: under the id of that certificate's own request, a CA that goes by ids would
/// answer with the certificate (MSG-6, Q-NDES-8). Error code: crypto.
Result<scep::TransactionId> transaction_id_of(const config::TransactionIdRule& rule, const scep::TransactionId& random,
                                              const PublicKey& key,
                                              const std::optional<lifecycle::Credential>& current);

}  // namespace hwenroll::runtime
