// Which certificate of an authenticated set issues, receives and signs (CACERT-9, ENV-2, SIG-12).
#pragma once

#include "transport/scep/ca_chain.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::scep {

/// Gives out the roles among the members of `chain`, with a warning for each certificate that gets none. The issuer is
/// the CA that issued the RAs, unless CAs beside its path leave that open; with pinned RAs, the lowest CA below the one
/// that issued them; without RAs, the lowest CA, and of several of them the newest. Certificates of one name and key
/// are one CA. Where none of them has an RSA key, the issuer receives if requests may be encrypted `by_password`.
/// Errors: ca_certificate, ca_no_recipient.
Result<CaSet> assign_roles(const CaChain& chain, const RaRule& rule, bool by_password);

}  // namespace hwenroll::scep
