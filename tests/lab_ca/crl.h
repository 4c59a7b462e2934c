// The lab CA's lists of revoked certificates (SRV-11): as RFC 5280 has them, and as they should not be (BAD-137 … 140).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/lab_ca/generations.h"
#include "tests/lab_ca/ledger.h"

namespace hwenroll::lab_ca {

/// How CRLs are handed out.
enum class CrlForm {
    good,
    other_issuer,      ///< by a CA of another name and key
    bad_signature,     ///< one bit of the signature is wrong
    older,             ///< a lower cRLNumber and an earlier thisUpdate than ever before
    expired,           ///< nextUpdate has passed
    delta,             ///< with a deltaCRLIndicator
    critical,          ///< with a critical extension that nobody knows
    huge,              ///< of 20,000 entries
    certificate_only,  ///< GetCRL: the CA's certificate and no list
    to_file,           ///< HTTP: a redirect to file:///etc/passwd
    gone,              ///< HTTP 404, and badCertId
    pem,               ///< HTTP: as PEM
    other_partition,   ///< HTTP: of a distribution point of its own, the issuingDistributionPoint of another one
};

/// How GetCert is answered.
enum class CertForm { good, other_serial, pending };

struct CrlPolicy {
    Seconds lifetime = std::chrono::days(7);  ///< a new list is made after half of it, or when something is revoked
    /// URLs in issued certificates; `self`: this server's, by the request's Host; `partition`: one of this server's for
    /// each certificate alone.
    std::vector<std::string> points;
    CrlForm form = CrlForm::good;
    CertForm cert_form = CertForm::good;
    std::size_t entries = 0;  ///< of certificates that were never issued, on every list; 39 octets each
};

/// A list for a part of a generation's certificates.
struct CrlPartition {
    std::size_t certificate = 0;  ///< the only one that it speaks of, counted from 1 as issued; 0: it speaks of all
    std::string url = {};         ///< its issuingDistributionPoint
};

/// The words of --crl-form and /lab/crl?form=, and of --cert-form and /lab/crl?cert=; absent: no such word.
std::optional<CrlForm> crl_form_of(std::string_view word);
std::optional<CertForm> cert_form_of(std::string_view word);

/// Makes and keeps the lists. In its directory: crl-N.number, the last cRLNumber of generation N, so that it rises over
/// restarts. Movable; used by one thread.
class CrlIssuer {
 public:
    CrlIssuer(std::filesystem::path directory, CrlPolicy policy)
        : directory_(std::move(directory)), policy_(std::move(policy)) {}

    [[nodiscard]] CrlPolicy& policy() { return policy_; }
    [[nodiscard]] const CrlPolicy& policy() const { return policy_; }

    /// `keyCompromise`, `certificateHold` and so on of x509v3_config(5)'s CRLReason; empty: none.
    void set_reason(const std::string& serial, const std::string& reason) { reasons_[serial] = reason; }

    /// The revoked certificate is valid again: it is left out of the next list.
    void restore(const std::string& serial) {
        restored_.insert(serial);
        added_.erase(serial);
    }

    /// Puts on every list from now on what the ledger does not know: an RA's certificate.
    void add(const std::string& serial) { added_.insert(serial); }

    /// The list of a generation at `now`, in the policy's form. Error codes: crypto, input_file.
    Result<Bytes> list(std::size_t generation, const Authority& authority, const Ledger& ledger, TimePoint now,
                       const CrlPartition& partition = {});

    /// The URLs of the policy for a certificate of that generation, the `certificate`-th of all, asked for at `host`.
    [[nodiscard]] std::vector<std::string> points(std::size_t generation, std::size_t certificate,
                                                  std::string_view host) const;

 private:
    struct Made {
        std::vector<std::string> revoked;  ///< serial numbers, hexadecimal
        std::size_t entries = 0;           ///< CrlPolicy::entries
        TimePoint at;
        Bytes der;
    };
    Result<long> next_number(std::size_t generation) const;

    std::filesystem::path directory_;
    CrlPolicy policy_;
    std::map<std::string, std::string> reasons_;
    std::set<std::string> restored_;
    std::set<std::string> added_;
    std::map<std::pair<std::size_t, std::size_t>, Made> made_;  ///< by generation and CrlPartition::certificate
};

/// What a path `/crl/N.crl`, or `/crl/N-M.crl` for the M-th certificate alone, names.
struct CrlPath {
    std::size_t generation = 0;
    std::size_t certificate = 0;  ///< CrlPartition::certificate
};

/// Absent for any other path.
std::optional<CrlPath> crl_path(std::string_view path);

}  // namespace hwenroll::lab_ca
