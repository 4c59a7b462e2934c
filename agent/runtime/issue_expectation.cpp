#include "agent/runtime/issue_expectation.h"

#include <utility>

#include "transport/scep/crl.h"

namespace hwenroll::runtime {
namespace {

scep::IssueExpectation::Subject subject_rule(config::AcceptSubject rule) {
    switch (rule) {
        case config::AcceptSubject::exact:
            return scep::IssueExpectation::Subject::exact;
        case config::AcceptSubject::any:
            return scep::IssueExpectation::Subject::any;
        case config::AcceptSubject::same_rdns:
            break;
    }
    return scep::IssueExpectation::Subject::same_rdns;
}

Bytes crl_scope_of(const Certificate& leaf) {
    return scep::scope_of(scep::crl_points(leaf));
}

}  // namespace

scep::IssueExpectation issue_expectation(const config::IdentitySettings& identity, const scep::CaSet& set,
                                         PublicKey key, TimePoint now, const scep::LegacyPermissions& legacy,
                                         const scep::ParseLimits& limits) {
    scep::IssueExpectation expected{.public_key = std::move(key),
                                    .subject = identity.subject,
                                    .subject_alt_names = identity.subject_alt_names,
                                    .key_usage = identity.key_usage,
                                    .extended_key_usage = identity.extended_key_usage,
                                    .issuer = set.issuer,
                                    .anchor = set.anchor,
                                    .intermediates = set.intermediates,
                                    .now = now,
                                    .current = {},
                                    .legacy = legacy,
                                    .limits = limits};
    expected.subject_rule = subject_rule(identity.accept.subject);
    expected.alt_names_rule = identity.accept.alt_names == config::AcceptAltNames::any
                                  ? scep::IssueExpectation::AltNames::any
                                  : scep::IssueExpectation::AltNames::superset;
    expected.require_usage = identity.accept.usage == config::AcceptUsage::require;
    return expected;
}

void read_crl_scopes(lifecycle::IdentityState& state) {
    const auto read = [](lifecycle::IssuedRecord& issued) {
        const auto leaf = Certificate::from_der(issued.leaf);
        issued.crl_scope = leaf ? crl_scope_of(*leaf) : Bytes();
    };
    if (state.current) {
        read(state.current->issued);
    }
    if (state.next) {
        read(state.next->issued);
    }
    if (state.shadow) {
        read(state.shadow->credential.issued);
    }
}

lifecycle::IssuedRecord record_of(const scep::IssuedCertificate& issued, const Certificate& anchor) {
    lifecycle::IssuedRecord record{issued.leaf.der(),       {},
                                   {anchor.der()},          issued.leaf.not_before(),
                                   issued.leaf.not_after(), crl_scope_of(issued.leaf)};
    for (const Certificate& certificate : issued.chain) {
        record.chain.push_back(certificate.der());
    }
    return record;
}

}  // namespace hwenroll::runtime
