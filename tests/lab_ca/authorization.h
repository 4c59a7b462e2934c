// Who may have a certificate (RFC 8894 §2.4).
#pragma once

#include "base/secret.h"
#include "tests/lab_ca/one_time_challenges.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

/// Which requests count as renewals when a certificate of this CA signs them.
struct RenewalTypes {
    bool renewal_req = true;  ///< RenewalReq (17), where it is announced
    bool pkcs_req = true;     ///< PKCSReq (19)
};

/// What a request must be to be admitted.
struct AdmissionPolicy {
    RenewalTypes renewal;
    bool challenge_optional = false;  ///< a person decides in its place
    bool self_signed_signers = true;  ///< a first request may be signed by a self-signed certificate
    int min_rsa_bits = 2048;          ///< of the key that is to be certified
};

/// Admission by one static challenge password or by those that work once (SRV-6), or by a valid certificate of this CA
/// for the same subject (SRV-8), or by one of a manufacturer's (SIG-4). A self-signed certificate alone admits nobody
/// (SRV-20).
class Authorization {
 public:
    /// With `one_time_lifetime`, the challenges that are given out take the place of `challenge`.
    Authorization(Secret challenge, AdmissionPolicy policy, std::optional<Seconds> one_time_lifetime = {})
        : challenge_(std::move(challenge)), policy_(policy) {
        if (one_time_lifetime) {
            one_time_.emplace(*one_time_lifetime);
        }
    }

    /// A challenge that works once; nothing where there are none. Error code: crypto.
    std::optional<Result<std::string>> give_challenge(TimePoint now) {
        return one_time_ ? std::optional(one_time_->issue(now)) : std::nullopt;
    }

    /// badRequest when such a signer may not ask for certificates at all, whatever the request says.
    [[nodiscard]] Outcome<void> accept_signer(const ScepRequest& request, SignerKind signer, TimePoint now) const;

    /// badRequest with the reason when a new certificate may not be issued for `csr`. The signer was accepted. A
    /// challenge that works once is used up.
    [[nodiscard]] Outcome<void> admit(const ScepRequest& request, const CertificationRequest& csr, SignerKind signer,
                                      TimePoint now);

 private:
    Secret challenge_;
    AdmissionPolicy policy_;
    std::optional<OneTimeChallenges> one_time_;
};

}  // namespace hwenroll::lab_ca
