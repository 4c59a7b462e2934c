// How a CertRep is built where servers differ (SRV-12).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "tests/lab_ca/algorithms.h"

namespace hwenroll::lab_ca {

/// What a SUCCESS holds besides the issued certificate.
enum class ReplyCertificates {
    leaf,      ///< nothing
    issuer,    ///< the CA's
    chain,     ///< the CA's and those above it
    stranger,  ///< the CA's and a root that nobody knows (BAD-121)
};

/// Where the issued certificate stands among them.
enum class ReplyOrder {
    sorted,  ///< where DER puts it in a SET OF
    leaf_first,
    leaf_last,
};

struct ReplyShape {
    std::string cipher = "AES-128-CBC";  ///< libcrypto's name; empty: as the request's
    std::string digest = "SHA256";       ///< libcrypto's name; empty: as the request's
    bool key_identifier = false;         ///< the recipient is named by subject key identifier
    bool oaep = false;                   ///< in place of PKCS#1 v1.5
    ReplyCertificates certificates = ReplyCertificates::issuer;
    ReplyOrder order = ReplyOrder::sorted;
    bool signer_certificate = true;  ///< the signer's certificate is in the message
    bool sender_nonce = true;
    bool signing_time = true;
    bool fail_info_text = true;
    bool indefinite = false;     ///< BER of indefinite length with OCTET STRINGs in pieces of 1000 octets
    bool ndes_failure = false;   ///< FAILURE as NDES sends it (Q-NDES-3)
    bool pending_empty = false;  ///< PENDING as SUCCESS with an empty envelope, as Dogtag sends it (Q-DOG-1)
};

/// Takes over from a request what `shape` leaves to it; an unknown algorithm changes nothing.
void follow_digest(ReplyShape& shape, const AlgorithmSyntax& digest);
void follow_cipher(ReplyShape& shape, const AlgorithmSyntax& cipher);

/// The certificates of a SUCCESS, the issued one first. Error code: crypto.
Result<std::vector<Certificate>> reply_certificates(const ReplyShape& shape, const Certificate& issued,
                                                    const Certificate& issuer, const std::optional<Certificate>& root);

}  // namespace hwenroll::lab_ca
