// One recorded exchange with a real server, read by libcrypto alone.
#pragma once

#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"

namespace hwenroll::test {

/// Request and reply with what is needed to judge the reply.
struct CapturedExchange {
    std::string name;            ///< file name without .rep.der
    Bytes reply;                 ///< body of the CertRep
    Certificate request_signer;  ///< certificate of the request, to which the reply is addressed
    OpenSslPtr<EVP_PKEY> key;    ///< its private key
    scep::ReplyExpectation expectation;
    Certificate issuer;
    Certificate anchor;
};

/// Loads `name`.req.der, `name`.rep.der and the CA certificates of `ca_set` (a GetCACert body); with an empty `ca_set`
/// those that the reply carries. Throws when the captures are not there.
CapturedExchange load_exchange(const std::string& name, const std::string& ca_set);

/// What the captured CSR asked for, as expectation of an issue by the exchange's CA.
scep::IssueExpectation issue_expectation(const CapturedExchange& exchange,
                                         const std::string& subject = "CN=peer1,O=Test");

/// The captured client key.
OpenSslPtr<EVP_PKEY> captured_key();

/// 2026-11-23T07:30:00Z: every captured certificate is valid then.
TimePoint capture_time();

/// All permissions.
scep::LegacyPermissions everything_allowed();

}  // namespace hwenroll::test
