// What the configuration and the CA make of a request: who signs it, of which type it is, whether it says the
// challenge. Pure; what builds requests and what foretells them judge by this alone.
#pragma once

#include <optional>

#include "agent/runtime/request_jobs.h"

namespace hwenroll::runtime {

/// `current` if the answer to a request that it signs could be opened (ENV-12). Where the key's kind has been changed,
/// that of an EC certificate could not unless the CA agrees: the new key asks for itself then, with the challenge.
std::optional<lifecycle::Credential> current_that_receives(const config::IdentitySettings& identity,
                                                           const config::AuthoritySettings& authority,
                                                           const std::optional<lifecycle::Credential>& current);

/// The current certificate signs. An envelope key signs everything (ENV-14).
bool is_signed_by_current(const RequestPlan& plan);

/// Signed by a certificate that the CA, or a manufacturer that it trusts, has issued.
bool is_vouched_for(const RequestPlan& plan);

/// The reply comes encrypted under the challenge, so that the CA must know which one it is (ENV-13).
bool is_answered_by_password(const RequestPlan& plan);

/// The request cannot do without a challenge. `plan.authority` is not null.
bool needs_challenge(const RequestPlan& plan);

/// The CSR says the challenge, if there is one.
bool states_challenge(const RequestPlan& plan);

/// REN-6, SIG-4: 17 where the CA announces it, unless it refused one or the configuration says otherwise. One that a
/// self-signed certificate signs is no renewal, whoever made it; nor is one with SHA-1, since nothing but the signature
/// vouches for a RenewalReq (SEC-5). `plan.authority` is not null. Error code: ca_algorithm.
Result<scep::MessageType> type_of(const RequestPlan& plan, scep::Digest digest);

}  // namespace hwenroll::runtime
