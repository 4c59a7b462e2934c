// Which certificate of an authenticated set issues, receives and signs (CACERT-9, ENV-2, SIG-12).
#pragma once

#include <functional>
#include <optional>

#include "transport/scep/ca_chain.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::scep {

/// Gives out the roles among the members of `chain`, with one warning of the certificates that get none. The issuer is
/// the CA that issued the RAs, unless CAs beside its path leave that open; with pinned RAs, the lowest CA below the one
/// that issued them; without RAs, the lowest CA, and of several of them the newest. Certificates of one name and key
/// are one CA. Where none of them has an RSA key, the issuer receives if requests may be encrypted `by_password`.
/// Errors: ca_certificate, ca_no_recipient.
Result<CaSet> assign_roles(const CaChain& chain, const RaRule& rule, bool by_password);

/// The best recipient among the RAs of `set` that are `acceptable` (ENV-2); nothing: none of them can receive. The CA's
/// own certificate is no substitute for an RA's: what is encrypted to it the RA cannot open (C15).
std::optional<Certificate> best_recipient(const CaSet& set, const std::function<bool(const Certificate&)>& acceptable);

}  // namespace hwenroll::scep
