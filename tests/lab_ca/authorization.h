// Who may have a certificate (RFC 8894 §2.4).
#pragma once

#include "base/secret.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

/// What a request must be to be admitted.
struct AdmissionPolicy {
    bool renewal = false;             ///< RenewalReq is enabled
    bool self_signed_signers = true;  ///< a first request may be signed by a self-signed certificate
    int min_rsa_bits = 2048;          ///< of the key that is to be certified
};

/// Admission by one static challenge password (SRV-6), or by a valid certificate of this CA for the same subject
/// (SRV-8). A self-signed certificate alone admits nobody (SRV-20).
class Authorization {
 public:
    Authorization(Secret challenge, AdmissionPolicy policy) : challenge_(std::move(challenge)), policy_(policy) {}

    /// badRequest when such a signer may not ask for certificates at all, whatever the request says.
    [[nodiscard]] Outcome<void> accept_signer(const ScepRequest& request, SignerKind signer, TimePoint now) const;

    /// badRequest with the reason when a new certificate may not be issued for `csr`. The signer was accepted.
    [[nodiscard]] Outcome<void> admit(const ScepRequest& request, const CertificationRequest& csr,
                                      SignerKind signer) const;

 private:
    Secret challenge_;
    AdmissionPolicy policy_;
};

}  // namespace hwenroll::lab_ca
