// GetCert and GetCRL (RFC 8894 §3.3.4, §4.5, §4.6): what is asked, and what an answer must be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"

namespace hwenroll::scep {

/// messageData of GetCert and GetCRL (MSG-23): DER of IssuerAndSerialNumber. `issuer` is the name of the CA that issued
/// the certificate in question, never an RA's (QRY-2); `serial` as Certificate::serial().
Bytes issuer_and_serial_data(const DistinguishedName& issuer, ByteView serial);

/// As read_cert_rep(), for a message to which PENDING is no answer (QRY-1, BAD-136): that is scep_status.
Result<CertRep> read_query_reply(ByteView body, const ReplyExpectation& expected);

/// Which certificate was asked for by GetCert.
struct WantedCertificate {
    Certificate issuer;                 ///< the CA that issued it, trusted
    Bytes serial;                       ///< as Certificate::serial()
    std::optional<PublicKey> key = {};  ///< of our own certificate
};

/// The certificate that was asked for, among what a reply's envelope held (QRY-3): of that issuer and serial, signed by
/// that CA and, where it is ours, for our key. Error codes: scep_no_certificate (BAD-135), scep_chain,
/// scep_key_mismatch.
Result<Certificate> accept_queried(const std::vector<Certificate>& received, const WantedCertificate& wanted);

/// The CRL of a GetCRL reply, and what is tolerated around it.
struct ReceivedCrl {
    Bytes der;
    std::vector<std::string> warnings;
};

/// Reads the opened envelope of a reply to GetCRL: a degenerate SignedData that holds one CRL (QRY-5, DEG-1). Error
/// codes: scep_inner, crl_unusable (none, BAD-137; more than one).
Result<ReceivedCrl> read_degenerate_crl(ByteView content, const ParseLimits& limits);

}  // namespace hwenroll::scep
