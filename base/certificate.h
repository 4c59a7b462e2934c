// X.509 certificates as immutable values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/distinguished_name.h"
#include "base/openssl_ptr.h"
#include "base/public_key.h"

namespace hwenroll {

/// An X.509 certificate. Cheap to copy (shared, immutable); thread-safe to read. Equal when the DER is. Parsing says
/// nothing about trust.
class Certificate {
 public:
    /// Reads one DER certificate with nothing behind it; its validity times and public key must be readable.
    /// Error code: scep_structure.
    static Result<Certificate> from_der(ByteView der);

    /// Takes a reference of its own on `x509`. Error code: scep_structure.
    static Result<Certificate> of(X509* x509);

    [[nodiscard]] const Bytes& der() const { return der_; }
    [[nodiscard]] const DistinguishedName& subject() const { return subject_; }
    [[nodiscard]] const DistinguishedName& issuer() const { return issuer_; }
    [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
    [[nodiscard]] TimePoint not_before() const { return not_before_; }
    [[nodiscard]] TimePoint not_after() const { return not_after_; }

    /// Serial number as the content octets of its DER INTEGER, without leading zero.
    [[nodiscard]] Bytes serial() const;

    /// SHA-256 over the whole DER (CACERT-4), 32 octets.
    [[nodiscard]] Bytes fingerprint() const { return sha256(der_); }

    /// basicConstraints says CA:TRUE.
    [[nodiscard]] bool is_ca() const;

    /// Subject equals issuer. Says nothing about the signature.
    [[nodiscard]] bool is_self_issued() const { return subject_ == issuer_; }

    /// The keyUsage bits as libcrypto's KU_* flags, or ~0 when the extension is absent.
    [[nodiscard]] std::uint32_t key_usage() const;

    /// dNSName, iPAddress, rfc822Name, URI and UPN entries in the configuration's spelling, e.g.
    /// `dns:web01.example.com`.
    [[nodiscard]] std::vector<std::string> subject_alt_names() const;

    /// Borrowed; valid as long as any copy. libcrypto's parameter is not const everywhere, but the object is not to be
    /// changed.
    [[nodiscard]] X509* get() const { return x509_.get(); }

    friend bool operator==(const Certificate& a, const Certificate& b) { return a.der_ == b.der_; }

 private:
    Certificate(Bytes der, std::shared_ptr<X509> x509, DistinguishedName subject, DistinguishedName issuer,
                PublicKey key, TimePoint not_before, TimePoint not_after);
    Bytes der_;
    std::shared_ptr<X509> x509_;
    DistinguishedName subject_;
    DistinguishedName issuer_;
    PublicKey public_key_;
    TimePoint not_before_;
    TimePoint not_after_;
};

/// What people are shown of a certificate.
struct CertificateSummary {
    Bytes serial;  ///< as Certificate::serial()
    DistinguishedName subject;
    DistinguishedName issuer;
    TimePoint not_before;
    TimePoint not_after;
};

/// Reads it from the DER of a certificate whose key and extensions are not looked at: for certificates that were read
/// as a Certificate before, at a tenth of its cost. Error code: scep_structure.
Result<CertificateSummary> summary_of(ByteView der);

/// The configuration's spelling of the names that are known; others are left out.
std::vector<std::string> general_names_text(const GENERAL_NAMES* names);

/// `time` as a TimePoint, any year that ASN.1 can hold. Error code: scep_structure.
Result<TimePoint> time_of(const ASN1_TIME* time);

/// A new ASN1_TIME (UTCTime before 2050, GeneralizedTime from then on, RFC 5280 §4.1.2.5).
OpenSslPtr<ASN1_TIME> to_asn1_time(TimePoint time);

}  // namespace hwenroll
