#include "transport/scep/transaction_id.h"

#include "transport/scep/digests.h"

namespace hwenroll::scep {

Result<TransactionId> transaction_id_of(const PublicKey& key, Digest digest) {
    return digest_of(key.spki(), digest).map([](const Bytes& octets) { return TransactionId{to_hex(octets)}; });
}

}  // namespace hwenroll::scep
