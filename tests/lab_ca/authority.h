// The CA itself: one RSA root with its key in a file, and the certificates it issues.
#pragma once

#include <filesystem>
#include <string>

#include "base/certificate.h"
#include "tests/lab_ca/certification_request.h"

namespace hwenroll::lab_ca {

/// What a certificate takes over from its request.
enum class IssueUsage {
    copy,    ///< key usage, extended key usage and subject alternative names as requested
    ignore,  ///< none of them, like a CA with a fixed profile
    refuse,  ///< key usage as requested; extended key usage and names are refused as not authorised
};

struct IssuePolicy {
    Seconds lifetime = std::chrono::days(90);
    IssueUsage usage = IssueUsage::copy;
};

/// Key and certificate of the CA, kept in a directory: ca.pem, ca.key (0600), serial (the last one, hexadecimal) and
/// issued/SERIAL.pem. Movable; used by one thread.
class Authority {
 public:
    /// Loads what is in `directory`, or makes the directory, a key and a root certificate. Error codes: input_file,
    /// crypto.
    static Result<Authority> open(const std::filesystem::path& directory, TimePoint now);

    [[nodiscard]] const Certificate& certificate() const { return *certificate_; }

    /// The CA's private key. Borrowed.
    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

    /// Issues and files a certificate for a request that was verified and authorised. notBefore is a minute before
    /// `now`, notAfter never beyond the CA's own. badRequest when the request asks for what cannot be issued;
    /// a text that begins with "internal" when the CA itself fails.
    Outcome<Certificate> issue(const CertificationRequest& request, const IssuePolicy& policy, TimePoint now);

 private:
    Authority() = default;
    Status create(TimePoint now);
    Status load();

    std::filesystem::path directory_;
    OpenSslPtr<EVP_PKEY> key_;
    std::optional<Certificate> certificate_;
};

}  // namespace hwenroll::lab_ca
