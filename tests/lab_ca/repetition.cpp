#include "tests/lab_ca/repetition.h"

#include <algorithm>

namespace hwenroll::lab_ca {

Outcome<void> check_transaction(const RepetitionPolicy& policy, const Transaction* known) {
    if (policy.refuse_known_transaction && known != nullptr) {
        return reject(FailInfo::bad_request, "the transactionID was used before");
    }
    return {};
}

Outcome<void> check_subject(const RepetitionPolicy& policy, const Ledger& ledger, const DistinguishedName& subject,
                            const Certificate& signer, TimePoint now) {
    const auto& issued = ledger.issued();
    const bool renews = std::any_of(issued.begin(), issued.end(), [&](const Issued& one) {
        return one.certificate == signer && signer.subject() == subject;
    });
    if (!policy.refuse_known_subject || renews) {
        return {};
    }
    const bool taken = std::any_of(issued.begin(), issued.end(), [&](const Issued& one) {
        return one.certificate.subject() == subject && now <= one.certificate.not_after() &&
               !ledger.revoked(one.certificate);
    });
    return taken ? reject(FailInfo::bad_request, "there is a valid certificate of this subject already")
                 : Outcome<void>();
}

}  // namespace hwenroll::lab_ca
