// One GetCert or GetCRL from the choice of who asks to the opened answer (RFC 8894 §4.5, §4.6).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/runtime/query_jobs.h"

namespace hwenroll::runtime {

/// Whose key asks.
struct Querent {
    std::string identity;
    std::shared_ptr<TokenAccess> token;
    lifecycle::KeyRecord key;   ///< replies are encrypted to it, or agreed upon with it
    Bytes certificate;          ///< DER; empty: it has none yet (QRY-7)
    DistinguishedName subject;  ///< for a certificate that it signs itself
};

struct Question {
    scep::MessageType type = scep::MessageType::get_crl;
    std::optional<DistinguishedName> issuer;  ///< of the certificate in question; nothing: the CA that issues now
    Bytes serial;                             ///< as Certificate::serial()
    std::size_t max_reply = 0;                ///< octets
};

/// What a query has brought.
struct QueryAnswer {
    SharedAuthority authority;
    QueryContent content;
};

/// Asks on the loop's thread and calls `done` once, later, unless the loop ends before. Trusts and refreshes the CA
/// first, if need be. `once` is a message of its own: it is not sent again by itself. Errors: those of
/// AuthorityAccess::need() and exchange(), sign_query(), open_query_reply().
void send_query(const Surroundings& surroundings, std::shared_ptr<AuthorityAccess> authority, Querent querent,
                Question question, std::function<void(Result<QueryAnswer>)> done);

}  // namespace hwenroll::runtime
