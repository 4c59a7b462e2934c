// Who may have a certificate (RFC 8894 §2.4).
#pragma once

#include "base/secret.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

/// Admission by one static challenge password (SRV-6). A self-signed certificate alone admits nobody (SRV-20).
class Authorization {
 public:
    explicit Authorization(Secret challenge) : challenge_(std::move(challenge)) {}

    /// badRequest when such a signer may not ask for certificates at all, whatever the request says.
    [[nodiscard]] static Outcome<void> accept_signer(const ScepRequest& request, SignerKind signer, TimePoint now);

    /// badRequest with the reason when a new certificate may not be issued for `csr`.
    [[nodiscard]] Outcome<void> admit(const CertificationRequest& csr) const;

 private:
    Secret challenge_;
};

}  // namespace hwenroll::lab_ca
