// O10: what consumers see outlasts all that the state knows, because the database was restored from an older backup.
// Invariant 3 forbids to publish over it, and invariant 4 to ask for another certificate, until it is known whose it
// is.
#include <algorithm>
#include <utility>

#include "agent/runtime/identity_runner.h"
#include "agent/runtime/published_certificate.h"

namespace hwenroll::runtime {
namespace {

/// Between two looks at a certificate that cannot be told yet.
constexpr Seconds look_pause{60};

std::uint64_t highest_of(const publish::PublishedState& published) {
    const std::uint64_t current = published.current.value_or(0);
    return published.generations.empty() ? current : std::max(current, published.generations.back());
}

}  // namespace

/// Nothing unless it is whole, unknown here, and ends later than anything that is known.
std::optional<Certificate> IdentityRunner::unknown_successor(const publish::PublishedState& published) const {
    const bool blank = !state_.current && !state_.next && !state_.enrollment;
    const auto is_known = [&](const auto& known) { return known && known->issued.leaf == published.certificate; };
    if (blank || !published.defect.empty() || published.certificate.empty() || is_known(state_.current) ||
        is_known(state_.next)) {
        return std::nullopt;
    }
    auto certificate = Certificate::from_der(published.certificate);
    if (!certificate) {
        return std::nullopt;
    }
    const auto outlasts = [&](const lifecycle::Credential& known) {
        return certificate->not_after() > known.issued.not_after;
    };
    const bool newest = (!state_.current || outlasts(*state_.current)) && (!state_.next || outlasts(*state_.next)) &&
                        (!state_.shadow || outlasts(state_.shadow->credential));
    return newest ? std::optional(*std::move(certificate)) : std::nullopt;
}

void IdentityRunner::examine(const Certificate& certificate, const publish::PublishedState& published) {
    progress_.begin(name() + ": looking for the published certificate's key on token '" + settings_.token + "'");
    token_->use([certificate, wrapped = published.key_pem, identity = settings_](
                    const SharedToken& token) { return find_published_key(*token, certificate, wrapped, identity); },
                [this, certificate, published](const Result<std::optional<lifecycle::KeyRecord>>& key) {
                    if (!key) {
                        return put_off(certificate, key.error());
                    }
                    // Nobody can use what has no key here: it is somebody else's file, and is published over (S12).
                    *key ? judge(certificate, published, **key) : begin_with(published);
                });
}

void IdentityRunner::judge(const Certificate& certificate, const publish::PublishedState& published,
                           const lifecycle::KeyRecord& key) {
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' for its certificates");
    authority_->need([this, certificate, published, key](const Result<SharedAuthority>& authority) {
        if (!authority) {
            return put_off(certificate, authority.error());
        }
        const TimePoint now = at_.clock.now();
        auto found =
            judge_published({settings_, permissions_of(authority_->settings().legacy, now, at_.clock_trust.trusted()),
                             parse_limits(authority_->limits(), at_.clock_trust.trusted()), *authority, certificate,
                             key, highest_of(published), now});
        if (found) {
            return dispatch(*std::move(found));
        }
        // Of an identity that has nothing to lose the enrollment goes on.
        state_.current || state_.next ? put_off(certificate, found.error()) : begin_with(published);
    });
}

void IdentityRunner::put_off(const Certificate& certificate, const Error& why) {
    loaded_ = false;
    load_again_ = at_.clock.now() + look_pause;
    posted_.clear();
    undo(Error(why.code(),
               "what consumers see is newer than the state and stays as it is, valid until " +
                   to_iso8601(certificate.not_after()),
               "whether it is this identity's cannot be told: " + why.line(),
               "see to that; or remove '" + publisher_.current(name()).parent_path().string() +
                   "', and the older certificate is published"));
}

}  // namespace hwenroll::runtime
