// What an identity's configuration and its CA ask of a certificate, whoever brings it.
#pragma once

#include "agent/config/configuration.h"
#include "agent/lifecycle/identity_state.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::runtime {

/// Neither a renewal nor a shadow: what these ask besides is for the caller to add.
scep::IssueExpectation issue_expectation(const config::IdentitySettings& identity, const scep::CaSet& set,
                                         PublicKey key, TimePoint now, const scep::LegacyPermissions& legacy,
                                         const scep::ParseLimits& limits);

/// An accepted certificate as it is stored.
lifecycle::IssuedRecord record_of(const scep::IssuedCertificate& issued, const Certificate& anchor);

/// Fills in IssuedRecord::crl_scope of all the identity's certificates.
void read_crl_scopes(lifecycle::IdentityState& state);

}  // namespace hwenroll::runtime
