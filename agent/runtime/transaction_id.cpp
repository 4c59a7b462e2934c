#include "agent/runtime/transaction_id.h"

#include "transport/scep/transaction_id.h"

namespace hwenroll::runtime {

Result<scep::TransactionId> transaction_id_of(const config::TransactionIdRule& rule, const scep::TransactionId& random,
                                              const PublicKey& key,
                                              const std::optional<lifecycle::Credential>& current) {
    using Kind = config::TransactionIdRule::Kind;
    if (rule.kind == Kind::fixed) {
        return scep::TransactionId{rule.fixed};
    }
    const bool certified = current && current->key.spki == key.spki();
    if (rule.kind == Kind::random || certified) {
        return random;
    }
    return scep::transaction_id_of(key, rule.kind == Kind::spki_sha1 ? scep::Digest::sha1 : scep::Digest::sha256);
}

}  // namespace hwenroll::runtime
