// What became of each transaction, so that a request that is sent again gets the same answer (SRV-9, resynchronisation
// of draft-nourse-scep-11 appendix E).
#pragma once

#include <map>
#include <string>

#include "base/certificate.h"

namespace hwenroll::lab_ca {

/// A transaction that ended in a certificate.
struct Transaction {
    PublicKey request_key;  ///< of the PKCS#10
    PublicKey signer_key;   ///< of the message's signer
    Certificate issued;
};

/// The transactions of one run of the CA, in memory. Used by one thread.
class Ledger {
 public:
    /// nullptr when there is none of that transactionID. Borrowed until the next record().
    [[nodiscard]] const Transaction* find(const std::string& transaction_id) const {
        const auto found = transactions_.find(transaction_id);
        return found == transactions_.end() ? nullptr : &found->second;
    }

    void record(const std::string& transaction_id, Transaction transaction) {
        transactions_.insert_or_assign(transaction_id, std::move(transaction));
    }

 private:
    std::map<std::string, Transaction> transactions_;
};

}  // namespace hwenroll::lab_ca
