// A certificate that consumers see and that the state does not know: whose it is (O10).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/lifecycle/step.h"
#include "agent/runtime/request_jobs.h"

namespace hwenroll::runtime {

/// What it is judged by.
struct PublishedPlan {
    config::IdentitySettings identity;
    scep::LegacyPermissions legacy;
    scep::ParseLimits limits;
    SharedAuthority authority;
    Certificate certificate;
    lifecycle::KeyRecord key;  ///< find_published_key()
    std::uint64_t highest_generation = 0;
    TimePoint now;
};

/// The certificate's key on the token, or the one that `wrapped` holds if the token can load it; nothing: it has no
/// such key. Only what bears the identity's own label or, under a persistent handle of a TPM, an id of `own_keys`, is
/// its own. Anything else, and what the configuration names, is marked as adopted. For the token's thread. Errors:
/// token_ambiguous, those of keystore::Token.
Result<std::optional<lifecycle::KeyRecord>> find_published_key(keystore::Token& token, const Certificate& certificate,
                                                               const std::string& wrapped,
                                                               const config::IdentitySettings& identity,
                                                               const std::vector<Bytes>& own_keys);

/// Judges it by the rules for one that the CA has just issued, but for its names, its usage and its time: it is in use.
/// Errors: scep_chain, scep_certificate, scep_algorithm.
Result<lifecycle::PublishedFound> judge_published(const PublishedPlan& plan);

}  // namespace hwenroll::runtime
