// CertRep (RFC 8894 §3.3.2) as the lab CA sends it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "base/secret.h"
#include "tests/lab_ca/outcome.h"
#include "tests/lab_ca/reply_shape.h"

namespace hwenroll::lab_ca {

/// RFC 8894 §3.2.1.3.
enum class PkiStatus { success = 0, failure = 2, pending = 3 };

/// What a CertRep says. Attributes follow the table of RFC 8894 §3.2 (SRV-15).
struct CertRep {
    std::string transaction_id;  ///< the request's
    Bytes recipient_nonce;       ///< the request's senderNonce
    PkiStatus status = PkiStatus::failure;
    std::optional<Rejection> rejection;         ///< with FAILURE
    std::vector<Certificate> certificates;      ///< with SUCCESS: the issued one and its issuer
    std::vector<Bytes> crls;                    ///< with SUCCESS to GetCRL, DER
    std::optional<Certificate> encryption_for;  ///< with SUCCESS: the certificate that signed the request
    const Secret* password = nullptr;           ///< with SUCCESS: encrypts in place of its key; borrowed
    int iterations = 0;                         ///< of PBKDF2, with `password`
};

/// The CertRep for a request that was refused or answered.
CertRep failure(std::string transaction_id, Bytes recipient_nonce, Rejection rejection);

/// The message, encrypted to `encryption_for` or under `password`, signed by `key` of `signer` with `now` as
/// signingTime: by default in DER with SHA-256 and AES-128-CBC. `context` must have the shape's cipher; nullptr is the
/// default one. Error codes: crypto, scep_structure.
Result<Bytes> write_cert_rep(const CertRep& reply, const Certificate& signer, EVP_PKEY* key, TimePoint now,
                             const ReplyShape& shape = {}, OSSL_LIB_CTX* context = nullptr);

/// A SignedData that holds certificates and CRLs alone (RFC 8894 §3.4) in DER. Error code: crypto.
Result<Bytes> write_certificates(const std::vector<Certificate>& certificates, const std::vector<Bytes>& crls = {});

}  // namespace hwenroll::lab_ca
