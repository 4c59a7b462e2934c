// A certificate that was issued elsewhere, for a key that is on the identity's token: what makes it the identity's own.
#pragma once

#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/lifecycle/identity_state.h"
#include "agent/runtime/request_jobs.h"

namespace hwenroll::runtime {

/// What it is judged by.
struct AdoptionPlan {
    config::IdentitySettings identity;
    config::TokenType token_type = config::TokenType::pkcs11;
    scep::LegacyPermissions legacy;
    scep::ParseLimits limits;
    SharedAuthority authority;
    std::vector<Certificate> certificates;  ///< the identity's own first; others may lead to the CA
    TimePoint now;
};

/// A certificate that may be adopted.
struct Adoption {
    keystore::KeyDescription key;
    lifecycle::IssuedRecord issued;
    std::vector<std::string> warnings;  ///< tolerated deviations, as of an issued one
};

/// Judges the certificate by the rules for one that the CA has just issued to this identity, then finds its key on the
/// token and proves that it opens what is encrypted to it (one decryption). Nothing on the token is changed. For the
/// token's thread. Errors: scep_certificate, scep_chain, scep_algorithm (what a CA may not issue to it),
/// token_key_missing, token_key_mismatch (`key` names an existing key that is another one), token_ambiguous,
/// token_key_policy, config_unsupported (no RSA key of 2048 bits or more), token_self_test, those of keystore::Token.
Result<Adoption> judge_adoption(keystore::Token& token, const AdoptionPlan& plan);

}  // namespace hwenroll::runtime
