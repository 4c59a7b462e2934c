// From an accepted certificate to told consumers and destroyed keys.
#include "agent/lifecycle/publication.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds delivery_first{60};
constexpr Seconds delivery_longest{3600};
constexpr Seconds clock_check{60};

bool contains(const std::vector<Bytes>& all, const Bytes& one) {
    return std::ranges::find(all, one) != all.end();
}

/// ROLL-13, ROLL-14: the shadow follows its CA, or its own validity, or nothing; but is never used before it is valid.
bool switch_is_due(const Decision& d) {
    if (!d.next.shadow || !d.policy.clock_trusted || d.now < d.next.shadow->credential.issued.not_before) {
        return false;
    }
    return d.policy.switch_at != SwitchRule::authority_end || d.next.shadow->authority == d.policy.authority.anchor ||
           is_expired(d.next, d.now);
}

/// Invariant 3: a certificate of the successor that came by another way, and lasts as long, is in use already.
bool shadow_is_outlived(const Decision& d) {
    return d.next.shadow && d.next.current && d.next.shadow->authority == d.next.current->issued.anchors.front() &&
           d.next.shadow->credential.issued.not_after <= d.next.current->issued.not_after;
}

/// C20, ROLL-17: a shadow of a successor that is no more.
bool shadow_is_lost(const Decision& d) {
    const AuthorityFacts& ca = d.policy.authority;
    return d.next.shadow && !ca.anchor.empty() && d.next.shadow->authority != ca.anchor &&
           (!ca.next || ca.next->anchor != d.next.shadow->authority);
}

/// The anchors that belong beside the current certificate: its own first, then those of the overlap.
std::vector<Bytes> wanted_anchors(const Decision& d) {
    std::vector<Bytes> wanted{d.next.current->issued.anchors.front()};
    for (const Bytes& anchor : d.policy.authority.overlaps) {
        if (!contains(wanted, anchor)) {
            wanted.push_back(anchor);
        }
    }
    return wanted;
}

/// True when consumers should see other anchors than they do. None is taken away by a clock that is not trusted.
bool anchors_changed(const Decision& d) {
    if (!d.next.current || d.policy.authority.anchor.empty() || d.next.current->issued.anchors.empty()) {
        return false;
    }
    const std::vector<Bytes> wanted = wanted_anchors(d);
    const std::vector<Bytes>& shown = d.next.current->issued.anchors;
    if (!d.policy.clock_trusted) {
        return std::ranges::any_of(wanted, [&](const Bytes& one) { return !contains(shown, one); });
    }
    return wanted != shown;
}

std::vector<Bytes> merged(std::vector<Bytes> wanted, const std::vector<Bytes>& shown) {
    for (const Bytes& one : shown) {
        if (!contains(wanted, one)) {
            wanted.push_back(one);
        }
    }
    return wanted;
}

void queue_what_is_due(Decision& d) {
    if (shadow_is_lost(d)) {
        retire(d, std::exchange(d.next.shadow, std::nullopt)->credential.key, true);
        d.note = "the CA's successor is another one now, the shadow certificate for it is dropped";
    }
    if (shadow_is_outlived(d)) {
        retire(d, std::exchange(d.next.shadow, std::nullopt)->credential.key, true);
        d.note = "the current certificate is the successor's and lasts longer, the shadow certificate is dropped";
    }
    if (d.next.next) {
        return;
    }
    if (switch_is_due(d)) {
        Credential credential = std::exchange(d.next.shadow, std::nullopt)->credential;
        d.note = "the CA has been succeeded, the shadow certificate takes over";
        return queue(d, std::move(credential));
    }
    if (anchors_changed(d)) {
        Credential credential = *d.next.current;
        std::vector<Bytes> wanted = wanted_anchors(d);
        credential.issued.anchors =
            d.policy.clock_trusted ? std::move(wanted) : merged(std::move(wanted), credential.issued.anchors);
        d.note = fmt::format("{} anchors are published from now on", credential.issued.anchors.size());
        queue(d, std::move(credential));
    }
}

/// When the window lets the queued credential through; it holds back nothing but a longer-lived successor.
TimePoint activation_time(const IdentityState& state, const Policy& policy) {
    const auto& opens = policy.activation.opens;
    if (!opens || !state.current || state.revoked || state.next->issued.leaf == state.current->issued.leaf) {
        return {};
    }
    return std::min(*opens, point_in(state.current->issued, policy.activation.latest));
}

bool is_needed(const IdentityState& state, const KeyRecord& key) {
    const auto is = [&](const KeyRecord& other) { return other.id == key.id; };
    const bool attempted =
        state.enrollment &&
        (is(state.enrollment->key) || (state.enrollment->transaction && state.enrollment->transaction->signer_key &&
                                       is(*state.enrollment->transaction->signer_key)));
    return attempted || (state.next && is(state.next->key)) || (state.current && is(state.current->key)) ||
           (state.shadow && is(state.shadow->credential.key));
}

/// Consumers use the new key: what it replaced may go after a while. How long that is only a clock that is trusted can
/// say; until then the keys stay as they are (K1).
void confirm(Decision& d) {
    if (!d.policy.clock_trusted) {
        return;
    }
    for (RetiredKey& retired : d.next.retired) {
        if (!retired.destroy_at) {
            retired.destroy_at = d.now + d.policy.retire_after;
        }
    }
}

}  // namespace

void queue(Decision& d, Credential credential) {
    credential.generation = ++d.next.last_generation;
    d.next.next = std::move(credential);
    d.next.publish_after = {};
}

void retire(Decision& d, const KeyRecord& key, bool confirmed) {
    if (key.adopted || key.id.empty()) {
        return;
    }
    d.next.retired.push_back({key, confirmed ? std::optional(d.now) : std::nullopt, 0});
}

bool publish(Decision& d) {
    queue_what_is_due(d);
    if (!d.next.next || d.now < d.next.publish_after) {
        return false;
    }
    // A wrong clock must not take a working certificate away from consumers (K1).
    const bool blocked =
        d.next.current && !d.policy.clock_trusted && d.next.next->issued.leaf != d.next.current->issued.leaf;
    if (blocked || d.now < activation_time(d.next, d.policy)) {
        return false;
    }
    d.emit(PublishGeneration{d.next.next->generation});
    return true;
}

bool deliver(Decision& d) {
    if (!d.next.delivery || d.now < d.next.delivery->next_try) {
        return false;
    }
    d.emit(Deliver{d.next.delivery->generation});
    return true;
}

bool destroy(Decision& d) {
    if (!d.policy.clock_trusted) {
        return false;
    }
    if (!d.next.delivery) {
        confirm(d);
    }
    for (const RetiredKey& retired : d.next.retired) {
        if (retired.destroy_at && *retired.destroy_at <= d.now && !is_needed(d.next, retired.key)) {
            d.emit(DestroyKey{retired.key.id});
            return true;
        }
    }
    return false;
}

std::vector<TimePoint> publication_times(const IdentityState& state, const Policy& policy) {
    std::vector<TimePoint> times;
    if (state.next) {
        times.push_back(std::max(state.publish_after, activation_time(state, policy)));
    }
    if (state.delivery) {
        times.push_back(state.delivery->next_try);
    }
    for (const RetiredKey& retired : state.retired) {
        const bool confirmed = retired.destroy_at || !state.delivery;
        if (confirmed && !is_needed(state, retired.key)) {
            times.push_back(retired.destroy_at.value_or(TimePoint{}));
        }
    }
    if (state.shadow && state.current) {
        times.push_back(std::max(state.shadow->credential.issued.not_before, state.current->issued.not_after));
    }
    if (state.shadow &&
        (policy.switch_at != SwitchRule::authority_end || state.shadow->authority == policy.authority.anchor)) {
        times.push_back(state.shadow->credential.issued.not_before);
    }
    return times;
}

void on(Decision& d, const GenerationPublished& event) {
    if (!d.next.next || event.generation != d.next.next->generation) {
        return;
    }
    Credential published = *std::exchange(d.next.next, std::nullopt);
    const std::optional<Credential> old = std::exchange(d.next.current, std::nullopt);
    published.published_at = d.now;
    if (!old || old->issued.leaf != published.issued.leaf) {
        d.next.counters = {};
        d.next.failure.reset();
        d.next.alerted_at.reset();
        d.next.revoked = false;
    }
    if (old && old->key.id != published.key.id) {
        retire(d, old->key, false);
    }
    d.next.current = std::move(published);
    d.next.publish_after = {};
    if (d.policy.delivers) {
        d.next.delivery = Delivery{event.generation, 0, d.now};
    } else {
        d.next.delivery.reset();
        confirm(d);
    }
    if (!d.next.enrollment) {
        clear_wait(d);
    }
    d.settled = true;
    d.note = fmt::format("generation {} published", event.generation);
}

void on(Decision& d, const PublicationFailed& event) {
    if (!d.next.next) {
        return;
    }
    ++d.next.counters.failures;
    d.next.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    d.next.publish_after = d.now + backoff(d, d.next.counters.failures);
    if (!d.next.enrollment) {
        d.next.wait = Wait{WaitingFor::timer, d.next.publish_after};
    }
    d.settled = true;
    d.note = event.error.line();
}

void on(Decision& d, const Delivered& event) {
    if (!d.next.delivery || event.generation != d.next.delivery->generation) {
        return;
    }
    d.settled = true;
    if (!event.error) {
        d.next.delivery.reset();
        confirm(d);
        d.note = fmt::format("consumers use generation {}", event.generation);
        return;
    }
    const Seconds life = life_at_hand(d.next);
    Delivery& delivery = *d.next.delivery;
    const Seconds step = doubled(scaled(delivery_first, life), delivery_longest, delivery.failures++);
    delivery.next_try = d.now + spread(step, d.draw.fraction);
    d.note = event.error->line();
}

void on(Decision& d, const KeyDestroyed& event) {
    const auto retired = std::ranges::find_if(
        d.next.retired, [&](const RetiredKey& one) { return one.key.id == event.key_id && one.destroy_at; });
    if (retired == d.next.retired.end()) {
        return;
    }
    d.settled = true;
    if (!event.error) {
        d.next.retired.erase(retired);
        d.note = "key " + to_hex(event.key_id) + " destroyed";
        return;
    }
    ++retired->failures;
    retired->destroy_at = d.now + spread(doubled(clock_check, delivery_longest, retired->failures), d.draw.fraction);
    d.note = event.error->line();
}

}  // namespace hwenroll::lifecycle
