// Keys and certificates made on the spot. Failures throw std::runtime_error.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/certificate.h"

namespace hwenroll::test {

using Key = std::shared_ptr<EVP_PKEY>;

Key new_rsa_key(unsigned bits = 2048);
Key new_ec_key(const char* curve = "P-256");

/// A key that is made once in a build directory: RSA 2048, one for each `number`.
Key rsa_key(int number);

/// The public half of `key` with a private half that signs wrongly, as a faulty device would.
Key faulty_rsa_key(const Key& key);

/// `2026-11-23T18:00:00Z`, the present in these tests.
TimePoint present();

/// What a certificate is to say. Extensions are in the notation of x509v3_config(5), e.g. {"keyUsage",
/// "critical,digitalSignature"}.
struct CertificateSpec {
    std::string subject;
    std::vector<std::pair<std::string, std::string>> extensions;
    TimePoint not_before = present() - std::chrono::days(1);
    TimePoint not_after = present() + std::chrono::days(365);
    long serial = 1;
    const EVP_MD* digest = EVP_sha256();
};

/// The extensions of a CA and of an RA.
CertificateSpec ca_spec(std::string subject, const std::string& basic_constraints = "critical,CA:TRUE");
CertificateSpec ra_spec(std::string subject, const std::string& key_usage,
                        const std::string& purpose = "1.3.6.1.5.5.7.3.28");

/// Signs a certificate for `key`; self-signed when there is no issuer.
Certificate self_signed(const CertificateSpec& spec, const Key& key);
Certificate issued(const CertificateSpec& spec, const Key& key, const Certificate& issuer, const Key& issuer_key);

/// A degenerate SignedData with the certificates in the order given, DER only where the order allows.
Bytes certificates_only(const std::vector<Certificate>& certificates);

/// Empty, or where and why `input` is not one value in DER (X.690 §10, §11).
std::string der_fault(ByteView input);

/// A file of the captured traffic.
Bytes capture(const std::string& name);

/// PEM text of a private key.
std::string private_pem(const Key& key);

}  // namespace hwenroll::test
