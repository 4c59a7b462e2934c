// What became of each transaction, so that a request that is sent again gets the same answer (SRV-9, resynchronisation
// of draft-nourse-scep-11 appendix E).
#pragma once

#include <map>
#include <string>

#include "base/certificate.h"
#include "tests/lab_ca/certification_request.h"

namespace hwenroll::lab_ca {

/// A transaction that was admitted.
struct Transaction {
    CertificationRequest request;
    PublicKey signer_key;    ///< of the message's signer
    unsigned int pending{};  ///< how often PENDING is still to be answered before the decision
    std::optional<Outcome<Certificate>> decision;
};

/// The transactions of one run of the CA, in memory. Used by one thread.
class Ledger {
 public:
    /// nullptr when there is none of that transactionID. Borrowed until the next record().
    [[nodiscard]] Transaction* find(const std::string& transaction_id) {
        const auto found = transactions_.find(transaction_id);
        return found == transactions_.end() ? nullptr : &found->second;
    }

    /// Borrowed as above.
    Transaction& record(const std::string& transaction_id, Transaction transaction) {
        return transactions_.insert_or_assign(transaction_id, std::move(transaction)).first->second;
    }

 private:
    std::map<std::string, Transaction> transactions_;
};

}  // namespace hwenroll::lab_ca
