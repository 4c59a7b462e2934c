// Who may have a certificate (RFC 8894 §2.4).
#pragma once

#include "base/secret.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

/// Admission by one static challenge password (SRV-6). A self-signed certificate alone admits nobody (SRV-20).
class Authorization {
 public:
    explicit Authorization(Secret challenge) : challenge_(std::move(challenge)) {}

    /// badRequest with the reason when the request is not admitted. `signer` is the kind of `request`'s signer.
    [[nodiscard]] Outcome<void> admit(const ScepRequest& request, const CertificationRequest& csr, SignerKind signer,
                                      TimePoint now) const;

 private:
    Secret challenge_;
};

}  // namespace hwenroll::lab_ca
