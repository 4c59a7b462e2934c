// O10: what consumers see outlasts all that the state knows, because the database was restored from an older backup.
// Invariant 3 forbids to publish over it, and invariant 4 to ask for another certificate, until it is known whose it
// is.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "agent/runtime/identity_runner.h"
#include "agent/runtime/published_certificate.h"

namespace hwenroll::runtime {
namespace {

/// Between two looks at a certificate that cannot be told yet.
constexpr Seconds look_pause{60};

/// Invariant 11: between two alerts about one, since nothing is renewed meanwhile.
constexpr Seconds alert_pause{86400};

/// The ids of all keys that the state knows as ones that were made for it.
std::vector<Bytes> own_keys(const lifecycle::IdentityState& state) {
    std::vector<Bytes> ids;
    const auto add = [&](const lifecycle::KeyRecord& key) {
        if (!key.adopted && !key.id.empty()) {
            ids.push_back(key.id);
        }
    };
    if (state.enrollment) {
        add(state.enrollment->key);
    }
    if (state.next) {
        add(state.next->key);
    }
    if (state.current) {
        add(state.current->key);
    }
    if (state.shadow) {
        add(state.shadow->credential.key);
    }
    for (const lifecycle::RetiredKey& retired : state.retired) {
        add(retired.key);
    }
    return ids;
}

std::uint64_t highest_of(const publish::PublishedState& published) {
    const std::uint64_t current = published.current.value_or(0);
    return published.generations.empty() ? current : std::max(current, published.generations.back());
}

/// By the name under which consumers find the key. A file of a wrapped key says of no TPM whose it is.
bool may_hold(const config::TokenSettings& token, const publish::PublishedState& published) {
    const bool of_a_tpm = !published.key_pem.empty() || !published.key_uri.starts_with("pkcs11:");
    if (of_a_tpm || token.type == config::TokenType::tpm2) {
        return of_a_tpm == (token.type == config::TokenType::tpm2);
    }
    const std::string place = token.uri.substr(0, token.uri.find('?'));
    return published.key_uri.starts_with(place);
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
    // A shadow was never published: consumers may see what ends before it.
    const bool newest = (!state_.current || outlasts(*state_.current)) && (!state_.next || outlasts(*state_.next));
    return newest ? std::optional(*std::move(certificate)) : std::nullopt;
}

void IdentityRunner::examine(const Certificate& certificate, const publish::PublishedState& published) {
    progress_.begin(name() + ": looking for the published certificate's key on token '" + settings_.token + "'");
    token_->use(
        [certificate, wrapped = published.key_pem, identity = settings_, own = own_keys(state_)](
            const SharedToken& token) { return find_published_key(*token, certificate, wrapped, identity, own); },
        [this, certificate, published](const Result<std::optional<lifecycle::KeyRecord>>& key) {
            if (!key) {
                return put_off(certificate, key.error());
            }
            *key ? judge(certificate, published, **key) : look_elsewhere(certificate, published);
        });
}

/// F3: the configuration may have moved the identity to another token than the one that holds the published key.
void IdentityRunner::look_elsewhere(const Certificate& certificate, const publish::PublishedState& published) {
    std::vector<std::shared_ptr<TokenAccess>> places;
    for (const auto& [place, token] : all_tokens_) {
        if (token != token_ && may_hold(token->settings(), published)) {
            places.push_back(token);
        }
    }
    look_on(std::move(places), certificate, published);
}

void IdentityRunner::look_on(std::vector<std::shared_ptr<TokenAccess>> places, const Certificate& certificate,
                             const publish::PublishedState& published) {
    if (places.empty()) {
        // Nobody can use what has no key here: it is somebody else's file, and is published over (S12).
        return begin_with(published);
    }
    const std::shared_ptr<TokenAccess> place = std::move(places.back());
    places.pop_back();
    progress_.begin(name() + ": looking for the published certificate's key on token '" + place->settings().name + "'");
    place->use([certificate, wrapped = published.key_pem, identity = settings_](
                   const SharedToken& token) { return find_published_key(*token, certificate, wrapped, identity, {}); },
               [this, place, places = std::move(places), certificate,
                published](const Result<std::optional<lifecycle::KeyRecord>>& key) {
                   // A token that is configured no more ends with its last user, which must not be on its stack then.
                   at_.loop.post([place] {});
                   if (!key) {
                       return put_off(certificate, key.error());
                   }
                   *key ? put_off(certificate, Error(ErrorCode::token_key_missing, "its key is on another token",
                                                     "it is on token '" + place->settings().name + "', not on '" +
                                                         settings_.token + "'"))
                        : look_on(places, certificate, published);
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

/// Nothing is decided before what consumers see was looked at once more.
void IdentityRunner::look_later() {
    loaded_ = false;
    load_again_ = at_.clock.now() + look_pause;
}

void IdentityRunner::put_off(const Certificate& certificate, const Error& why) {
    look_later();
    const TimePoint now = at_.clock.now();
    // K3: a clock that went back does not silence it.
    if (!put_off_told_ || now < *put_off_told_ || now >= *put_off_told_ + alert_pause) {
        undone_.clear();
        put_off_told_ = now;
    }
    undo(Error(why.code(),
               "what consumers see is newer than the state and stays as it is, valid until " +
                   to_iso8601(certificate.not_after()),
               "whether it is this identity's cannot be told: " + why.line(),
               "see to that; or remove '" + publisher_.current(name()).parent_path().string() +
                   "', and the older certificate is published"));
}

}  // namespace hwenroll::runtime
