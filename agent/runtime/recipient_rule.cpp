#include "agent/runtime/recipient_rule.h"

#include <utility>

#include <fmt/format.h>

#include "transport/scep/ca_roles.h"
#include "transport/scep/crl.h"
#include "transport/scep/next_ca.h"

namespace hwenroll::runtime {
namespace {

/// The CA itself is pinned, whatever a list says of it.
bool is_recipient_revoked(const scep::CaSet& set, const IsRevoked& is_revoked) {
    return is_revoked && set.recipient != set.issuer && set.recipient != set.anchor && is_revoked(set.recipient);
}

/// What cannot be read any more is taken for an RSA recipient, unless the operator names the RAs anyhow.
bool has_rsa_recipient(const lifecycle::AuthorityRecord& record, scep::CaExpectation expected) {
    expected.pinned = {record.anchor_fingerprint};
    expected.by_password = true;
    // As it was, not as it is by now: an RA that has expired, or was revoked, was one all the same.
    expected.is_revoked = {};
    expected.limits.judges_time = false;
    expected.legacy.sha1_reply = true;
    const bool named = expected.ras.kind == scep::RaRule::Kind::pinned;
    const auto set = scep::restore_next_ca(record.certificates, std::move(expected));
    return set ? set->recipient.public_key().is_rsa() : !named;
}

}  // namespace

Status check_not_revoked(const scep::CaSet& set, const IsRevoked& is_revoked) {
    if (!is_recipient_revoked(set, is_revoked)) {
        return {};
    }
    return fail(ErrorCode::ca_certificate,
                fmt::format("the RA certificate '{}' is revoked", set.recipient.subject().text()),
                "requests would be encrypted to it", "the CA's operator must replace it; it is fetched by itself then");
}

std::optional<QuerySet> set_for_query(scep::CaSet set, scep::MessageType type, const IsRevoked& is_revoked) {
    const bool asks_for_list = type == scep::MessageType::get_crl;
    bool without_challenge = false;
    if (is_recipient_revoked(set, is_revoked)) {
        auto other = scep::best_recipient(set, [&](const Certificate& ra) { return !is_revoked(ra); });
        if (!other && !asks_for_list) {
            return std::nullopt;
        }
        without_challenge = !other;
        if (other) {
            set.recipient = *std::move(other);
        }
    }
    if (!asks_for_list && is_revoked) {
        scep::drop_revoked_signers(set, is_revoked);
    }
    return QuerySet{std::move(set), without_challenge};
}

Status check_no_downgrade(const scep::CaSet& received, const lifecycle::AuthorityRecord& before,
                          scep::CaExpectation expected) {
    if (received.recipient.public_key().is_rsa() || !has_rsa_recipient(before, std::move(expected))) {
        return {};
    }
    return fail(
        ErrorCode::ca_no_recipient, "the CA had an RSA certificate to encrypt requests for, and sent none now",
        "its answer is not authenticated, and without one requests would go under the challenge",
        "have the CA's operator show its RA certificate again; if there is none any more, give the [ca.*] section "
        "another name");
}

}  // namespace hwenroll::runtime
