// What the CA makes of a transactionID or a subject that it knows already (SRV-9).
#pragma once

#include "tests/lab_ca/ledger.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

struct RepetitionPolicy {
    bool refuse_known_transaction = false;  ///< in place of the same answer again (draft-nourse-scep-11 appendix E)
    bool refuse_known_subject = false;      ///< while a certificate of it is valid, unless that certificate renews it
};

/// badRequest when `request` repeats a transaction and that is refused. A CertPoll repeats nothing.
Outcome<void> check_transaction(const RepetitionPolicy& policy, const Transaction* known);

/// badRequest when there is a valid certificate for `subject` that did not sign the request and that is refused.
Outcome<void> check_subject(const RepetitionPolicy& policy, const Ledger& ledger, const DistinguishedName& subject,
                            const Certificate& signer, TimePoint now);

}  // namespace hwenroll::lab_ca
