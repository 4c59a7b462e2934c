// transactionIDs that follow from the key that is to be certified, as older clients make them (MSG-5).
#pragma once

#include "base/public_key.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// The digest of the key's SubjectPublicKeyInfo in upper-case hexadecimal: the same for every transaction about one
/// key. Error code: crypto.
Result<TransactionId> transaction_id_of(const PublicKey& key, Digest digest);

}  // namespace hwenroll::scep
