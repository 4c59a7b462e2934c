// Whom messages to a CA may be encrypted for: no RA that is revoked, and nobody less than before.
#pragma once

#include <functional>
#include <optional>

#include "agent/lifecycle/authority_state.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::runtime {

/// Whether a certificate is revoked or suspended, as far as is known. Empty: nothing is known.
using IsRevoked = std::function<bool(const Certificate&)>;

/// SEC-3: nothing that a challenge may be in is sent to an RA that is revoked. Error code: ca_certificate.
Status check_not_revoked(const scep::CaSet& set, const IsRevoked& is_revoked);

/// The set by which a query is made.
struct QuerySet {
    scep::CaSet set;
    bool without_challenge = false;  ///< its recipient is revoked: the challenge is neither used nor read
};

/// `set` for a GetCert or GetCRL. In place of a recipient that is revoked another RA receives, where there is one. A
/// GetCRL goes to the revoked one otherwise, and its answer may be signed by one: the list is what says whether they
/// still are, the CA's own signature on it is what counts, and the question holds no secret (QRY-5, SIG-14). Nothing:
/// the query must not be made.
std::optional<QuerySet> set_for_query(scep::CaSet set, scep::MessageType type, const IsRevoked& is_revoked);

/// GetCACert is not signed, so that somebody on the way can leave out an RA whose RSA key would receive, and have the
/// requests of a CA under `envelope = "password"` encrypted under the challenge, which can be guessed by whoever
/// records them (RFC 8894 §7.3). A CA that had such a recipient in `before` is not believed to have none (SEC-5).
/// `expected`: how the certificates of `before` are judged; its times and anchor are not looked at. Error code:
/// ca_no_recipient.
Status check_no_downgrade(const scep::CaSet& received, const lifecycle::AuthorityRecord& before,
                          scep::CaExpectation expected);

}  // namespace hwenroll::runtime
