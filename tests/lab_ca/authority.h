// One generation of the CA, with its key in a file, and the certificates it issues.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "tests/lab_ca/certification_request.h"
#include "tests/lab_ca/identity_files.h"

namespace hwenroll::lab_ca {

/// What a certificate takes over from its request.
enum class IssueUsage {
    copy,    ///< key usage, extended key usage and subject alternative names as requested
    ignore,  ///< none of them, like a CA with a fixed profile
    refuse,  ///< key usage as requested; extended key usage and names are refused as not authorised
};

struct IssuePolicy {
    Seconds lifetime = std::chrono::days(90);
    Seconds backdate{60};  ///< how long before its issue a certificate begins; not before its CA
    IssueUsage usage = IssueUsage::copy;
    std::vector<std::string> crl_points = {};  ///< URLs for cRLDistributionPoints; empty: no such extension
};

/// What a new CA certificate says.
struct AuthorityTerms {
    TimePoint not_before;
    TimePoint not_after;
    std::string subject = "CN=hwenroll lab CA,O=hwenroll lab";
    bool ec_key = false;  ///< P-256 in place of RSA 2048; such a CA signs only, requests come under the challenge
    const SigningIdentity* issuer = nullptr;  ///< borrowed; nullptr: self-signed
};

/// A CA that is kept nowhere. Error code: crypto.
Result<SigningIdentity> make_root(const AuthorityTerms& terms);

/// What a registration authority may do, in the notation of x509v3_config(5).
struct RaTerms {
    const char* subject = "CN=hwenroll lab RA,O=hwenroll lab";
    const char* key_usage = "critical,digitalSignature";
    const char* purpose = "1.3.6.1.5.5.7.3.28";  ///< id-kp-cmcRA, RFC 6402 §2.10
};

/// Key and certificate of one CA. In its directory: NAME.pem, NAME.key (0600), serial (the last one, hexadecimal) and
/// issued/SERIAL.pem. Movable; used by one thread.
class Authority {
 public:
    /// Loads what is there under `name`, or makes the directory, a key and a root certificate of `terms`. Error codes:
    /// input_file, crypto.
    static Result<Authority> open(const std::filesystem::path& directory, const std::string& name,
                                  const AuthorityTerms& terms);

    [[nodiscard]] const Certificate& certificate() const { return *certificate_; }

    /// The CA's private key. Borrowed.
    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

    /// Issues and files a certificate for a request that was verified and authorised. It begins at `from`, less the
    /// policy's backdate, and lives from then on, never beyond the CA's own end. badRequest when the request asks for
    /// what cannot be issued or the CA has ended; a text that begins with "internal" when the CA itself fails.
    Outcome<Certificate> issue(const CertificationRequest& request, const IssuePolicy& policy, TimePoint from);

    /// A registration authority, valid from `now` to the end of this CA, and kept nowhere. Error code: crypto.
    [[nodiscard]] Result<SigningIdentity> make_ra(TimePoint now, const RaTerms& terms = {}) const;

 private:
    Authority() = default;

    std::filesystem::path directory_;
    OpenSslPtr<EVP_PKEY> key_;
    std::optional<Certificate> certificate_;
};

}  // namespace hwenroll::lab_ca
