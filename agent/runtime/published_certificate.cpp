#include "agent/runtime/published_certificate.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/issue_expectation.h"
#include "base/pem.h"

namespace hwenroll::runtime {
namespace {

/// A key that a TPM has wrapped for us bears its id behind these octets, in its authPolicy (ADR 0011). The token holds
/// the id against the key that it loads.
constexpr std::string_view id_mark = "hwenroll key id:";
constexpr std::size_t id_size = 16;

std::optional<keystore::KeyId> id_of_wrapped(const std::string& wrapped) {
    for (const Bytes& der : blocks_from_pem(wrapped, {"TSS2 PRIVATE KEY"})) {
        const auto mark = std::search(der.begin(), der.end(), id_mark.begin(), id_mark.end());
        if (der.end() - mark >= static_cast<std::ptrdiff_t>(id_mark.size() + id_size)) {
            const auto begin = mark + static_cast<std::ptrdiff_t>(id_mark.size());
            return keystore::KeyId{Bytes(begin, begin + static_cast<std::ptrdiff_t>(id_size))};
        }
    }
    return std::nullopt;
}

Result<std::optional<lifecycle::KeyRecord>> find_wrapped(keystore::Token& token, const PublicKey& key,
                                                         const std::string& wrapped, const std::string& place) {
    const auto id = id_of_wrapped(wrapped);
    if (!id) {
        return std::nullopt;
    }
    const auto found = token.look_up({*id, key, wrapped});
    if (found) {
        return lifecycle::KeyRecord{found->key.id.value, key.spki(), false, wrapped, place};
    }
    const ErrorCode code = found.error().code();
    if (code == ErrorCode::token_key_missing || code == ErrorCode::token_key_mismatch) {
        return std::nullopt;
    }
    return fail(found.error());
}

Result<scep::IssuedCertificate> accept(const PublishedPlan& plan, bool as_configured) {
    config::IdentitySettings asked = plan.identity;
    asked.accept.usage = config::AcceptUsage::warn;
    if (!as_configured) {
        asked.accept.subject = config::AcceptSubject::any;
        asked.accept.alt_names = config::AcceptAltNames::any;
    }
    scep::IssueExpectation expected = issue_expectation(asked, plan.authority->set, plan.certificate.public_key(),
                                                        plan.now, plan.legacy, plan.limits);
    expected.limits.min_lifetime = Seconds(0);
    // It may have expired while the machine was off: then it is the current one, and another one is due.
    expected.limits.judges_time = false;
    return scep::accept_certificate({plan.certificate}, expected);
}

}  // namespace

Result<std::optional<lifecycle::KeyRecord>> find_published_key(keystore::Token& token, const Certificate& certificate,
                                                               const std::string& wrapped,
                                                               const config::IdentitySettings& identity,
                                                               const std::vector<Bytes>& own_keys) {
    const PublicKey key = certificate.public_key();
    if (!wrapped.empty()) {
        return find_wrapped(token, key, wrapped, identity.token);
    }
    const auto keys = token.list_keys();
    if (!keys) {
        return fail(keys.error());
    }
    std::optional<lifecycle::KeyRecord> record;
    for (const keystore::KeyDescription& one : *keys) {
        if (one.key.public_key != key) {
            continue;
        }
        if (record) {
            return fail(ErrorCode::token_ambiguous,
                        fmt::format("token '{}' holds the published certificate's key more than once", identity.token));
        }
        const bool handle = one.uri.starts_with("handle:");
        // A persistent handle has no label.
        const bool made_for_it = handle ? std::ranges::find(own_keys, one.key.id.value) != own_keys.end()
                                        : one.label == own_label(identity.name);
        const bool ours = made_for_it && !is_named_by(identity.key, one);
        record = lifecycle::KeyRecord{
            one.key.id.value, key.spki(), !ours, {}, identity.token, handle ? one.uri : std::string()};
    }
    return record;
}

Result<lifecycle::PublishedFound> judge_published(const PublishedPlan& plan) {
    bool as_configured = true;
    auto accepted = accept(plan, true);
    if (!accepted && accepted.error().code() == ErrorCode::scep_certificate) {
        as_configured = false;
        accepted = accept(plan, false);
    }
    if (!accepted) {
        return fail(accepted.error());
    }
    return lifecycle::PublishedFound{plan.key, record_of(*accepted, plan.authority->set.anchor),
                                     plan.highest_generation, as_configured};
}

}  // namespace hwenroll::runtime
