// GetCert and GetCRL on a token's thread: values in, values out.
#pragma once

#include <vector>

#include "agent/runtime/request_jobs.h"

namespace hwenroll::runtime {

/// What a query is made from.
struct QueryPlan {
    scep::MessageType type = scep::MessageType::get_crl;
    SharedAuthority authority;
    lifecycle::KeyRecord key;   ///< signs, and the reply is encrypted to it
    Bytes certificate;          ///< DER, of that key; empty: a self-signed one is made (QRY-7)
    DistinguishedName subject;  ///< of the self-signed one
    Bytes certificate_serial;   ///< 16 random octets for it
    DistinguishedName issuer;   ///< of the certificate in question (QRY-2)
    Bytes serial;               ///< likewise, as Certificate::serial()
    scep::TransactionId transaction_id;
    scep::Nonce nonce;
    scep::LegacyPermissions legacy;
    scep::AlgorithmChoice algorithms;               ///< what the configuration fixes
    std::optional<config::SecretSource> challenge;  ///< encrypts where neither the CA nor we have an RSA key
    TimePoint now;
    bool clock_trusted = true;
};

/// The message, and the certificate that its reply is encrypted for.
struct SignedQuery {
    Bytes message;
    Certificate signer;
};

/// One use of the key, two for a self-signed certificate. Errors: those of the token, crypto, ca_algorithm,
/// ca_no_recipient, challenge_source.
Result<SignedQuery> sign_query(const SharedToken& token, const QueryPlan& plan);

/// What the reply is read by.
struct QueryReplyPlan {
    QueryPlan query;
    Certificate signer;
    scep::ParseLimits limits;
    RequestForm form;
    http::Response response;
};

/// The opened content of a SUCCESS: a degenerate SignedData. `warnings` are worth an operator's while.
struct QueryContent {
    Bytes content;
    std::vector<std::string> warnings;
};

/// Verifies and opens (one decryption or agreement, SUCCESS only). Errors: ca_rejected (FAILURE), ca_http and
/// ca_http_refused (what does not verify is explained by an HTTP error), scep_status (PENDING), those of the token and
/// of scep::read_cert_rep() and scep::open_envelope(), challenge_source.
Result<QueryContent> open_query_reply(const SharedToken& token, const QueryReplyPlan& plan);

}  // namespace hwenroll::runtime
