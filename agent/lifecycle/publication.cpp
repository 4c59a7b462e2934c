// From an accepted certificate to told consumers and destroyed keys.
#include "agent/lifecycle/publication.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/crl_state.h"

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds retirement_longest{3600};
constexpr Seconds clock_check{60};

bool contains(const std::vector<Bytes>& all, const Bytes& one) {
    return std::ranges::find(all, one) != all.end();
}

/// ROLL-13, ROLL-14: from when on the shadow may take over; nothing while that is not known or not to be judged. It
/// follows its CA, or its own validity; and what has expired is worse than the successor's. It is never used before it
/// is valid.
std::optional<TimePoint> switch_time(const IdentityState& state, const Policy& policy) {
    if (!state.shadow || (state.next && !is_queued_again(state)) || !policy.clock_trusted) {
        return std::nullopt;
    }
    const TimePoint valid = state.shadow->credential.issued.not_before;
    if (policy.switch_at != SwitchRule::authority_end || state.shadow->authority == policy.authority.anchor) {
        return valid;
    }
    return state.current ? std::max(valid, state.current->issued.not_after) : valid;
}

/// Invariant 3: a certificate of the successor that came by another way, and lasts as long, is in use already.
bool shadow_is_outlived(const IdentityState& state) {
    return state.shadow && state.current && state.shadow->authority == state.current->issued.anchors.front() &&
           state.shadow->credential.issued.not_after <= state.current->issued.not_after;
}

/// C20, ROLL-17: a shadow of a successor that is no more.
bool shadow_is_lost(const IdentityState& state, const Policy& policy) {
    const AuthorityFacts& ca = policy.authority;
    return state.shadow && !ca.anchor.empty() && state.shadow->authority != ca.anchor &&
           (!ca.next || ca.next->anchor != state.shadow->authority);
}

void add_missing(std::vector<Bytes>& all, const std::vector<Bytes>& more) {
    for (const Bytes& one : more) {
        if (!contains(all, one)) {
            all.push_back(one);
        }
    }
}

/// C19: the anchors that belong beside a certificate: its own first, its CA's of today, those of the overlap. None that
/// consumers see is taken away by a clock that is not trusted.
std::vector<Bytes> anchors_for(const IssuedRecord& issued, const IdentityState& state, const Policy& policy) {
    if (issued.anchors.empty() || policy.authority.anchor.empty()) {
        return issued.anchors;
    }
    std::vector<Bytes> wanted{issued.anchors.front()};
    add_missing(wanted, {policy.authority.anchor});
    add_missing(wanted, policy.authority.overlaps);
    if (!policy.clock_trusted && state.current) {
        add_missing(wanted, state.current->issued.anchors);
    }
    return wanted;
}

bool are_same_anchors(const std::vector<Bytes>& one, const std::vector<Bytes>& other) {
    return one.size() == other.size() &&
           std::ranges::all_of(one, [&](const Bytes& anchor) { return contains(other, anchor); });
}

/// True when consumers should see other anchors than they do.
bool anchors_changed(const IdentityState& state, const Policy& policy) {
    return state.current &&
           !are_same_anchors(anchors_for(state.current->issued, state, policy), state.current->issued.anchors);
}

/// QRY-6: the CRL that belongs beside a certificate is the one of its issuer that speaks of its distribution points.
/// Where that is not at hand now, because a CA's section was renamed or its list is still to come, what the certificate
/// is published with stays, or the one before it of the same issuer: that was verified.
Bytes crl_for(const Credential& credential, const IdentityState& state, const Policy& policy) {
    if (!policy.authority.publishes_crls) {
        return {};
    }
    const auto& crls = policy.authority.crls;
    const Bytes* const issuer = issuer_of(credential.issued);
    const auto found = std::ranges::find_if(crls, [&](const AuthorityFacts::IssuerCrl& one) {
        return issuer != nullptr && one.issuer == *issuer && one.scope == credential.issued.crl_scope;
    });
    if (found != crls.end()) {
        return found->digest;
    }
    const bool follows = credential.crl.empty() && state.current && issuer != nullptr &&
                         crl_of(state.current->issued) == crl_of(credential.issued);
    return follows ? state.current->crl : credential.crl;
}

/// True when consumers should see another CRL than they do.
bool crl_changed(const IdentityState& state, const Policy& policy) {
    return state.current && crl_for(*state.current, state, policy) != state.current->crl;
}

void queue_what_is_due(Decision& d) {
    if (shadow_is_lost(d.next, d.policy)) {
        const Shadow lost = *std::exchange(d.next.shadow, std::nullopt);
        retire(d, lost.credential.key, true);
        d.note = "the CA's successor is another one now, the shadow certificate for it is dropped";
    }
    if (shadow_is_outlived(d.next)) {
        retire(d, std::exchange(d.next.shadow, std::nullopt)->credential.key, true);
        d.note = "the current certificate is the successor's and lasts longer, the shadow certificate is dropped";
    }
    if (const auto due = switch_time(d.next, d.policy); due && d.now >= *due) {
        Credential credential = std::exchange(d.next.shadow, std::nullopt)->credential;
        d.note = "the CA has been succeeded, the shadow certificate takes over";
        return queue(d, std::move(credential));
    }
    if (!d.next.next && anchors_changed(d.next, d.policy)) {
        queue(d, *d.next.current);
        d.note = fmt::format("{} anchors are published from now on", d.next.next->issued.anchors.size());
    } else if (!d.next.next && crl_changed(d.next, d.policy)) {
        queue(d, *d.next.current);
        d.note = d.next.next->crl.empty() ? "no CRL is published any more" : "a new CRL is published";
    }
}

/// When the queued credential may take the place of a certificate that works: not before it is valid (C7, K7), not
/// before the window opens; but no window keeps consumers at a certificate that is not valid yet (K10).
TimePoint activation_time(const IdentityState& state, const Policy& policy) {
    if (!state.current || state.revoked || state.next->issued.leaf == state.current->issued.leaf) {
        return {};
    }
    const IssuedRecord& current = state.current->issued;
    const TimePoint valid = std::min(state.next->issued.not_before, current.not_after);
    const auto& opens = policy.activation.opens;
    const bool leads_back = state.next->issued.not_before < current.not_before;
    return opens && !leads_back ? std::max(valid, std::min(*opens, point_in(current, policy.activation.latest)))
                                : valid;
}

/// K1: a wrong clock must not take a working certificate away from consumers.
bool clock_blocks_publication(const IdentityState& state, const Policy& policy) {
    return state.current && !policy.clock_trusted && state.next->issued.leaf != state.current->issued.leaf;
}

/// Nothing: there is nothing to publish, or the clock has to be right first.
std::optional<TimePoint> publication_time(const IdentityState& state, const Policy& policy) {
    if (!state.next || clock_blocks_publication(state, policy)) {
        return std::nullopt;
    }
    return std::max(state.publish_after, activation_time(state, policy));
}

/// True when the current certificate should be published once more, for its anchors or its CRL or to be durable, while
/// another one waits, for its window or for a clock that is trusted: what is trusted waits for no window (C19), nor
/// does what is in use. Consumers do not see the other one yet (Started::next_seen, PublishedFound). Not while that is
/// tried again after a failure: the disk is as full for both.
bool current_overtakes(const IdentityState& state, const Policy& policy) {
    const bool waits =
        state.current && state.next && state.next->issued.leaf != state.current->issued.leaf &&
        (clock_blocks_publication(state, policy) || activation_time(state, policy) > state.publish_after);
    return waits && (state.unproved || anchors_changed(state, policy) || crl_changed(state, policy));
}

/// The next generation's number follows: numbers grow in the order in which consumers see them.
void publish_current_again(Decision& d) {
    const bool anchors = anchors_changed(d.next, d.policy);
    const bool list = crl_changed(d.next, d.policy);
    const std::uint64_t generation = ++d.next.last_generation;
    d.next.next->generation = ++d.next.last_generation;
    d.emit(PublishGeneration{generation, BesideCertificate{anchors_for(d.next.current->issued, d.next, d.policy),
                                                           crl_for(*d.next.current, d.next, d.policy)}});
    d.note =
        fmt::format("{} while the next certificate waits for its time", anchors ? "the anchors of today are published"
                                                                        : list  ? "a newer CRL is published"
                                                                                : "the current one is published again");
}

/// What has waited for its window is published with the anchors and the CRL of today. Under another number, since
/// consumers may see the old one already where a process was killed.
void take_what_is_newest(Decision& d) {
    std::vector<Bytes> anchors = anchors_for(d.next.next->issued, d.next, d.policy);
    const Bytes crl = crl_for(*d.next.next, d.next, d.policy);
    if (d.next.next->crl == crl && are_same_anchors(anchors, d.next.next->issued.anchors)) {
        return;
    }
    d.next.next->issued.anchors = std::move(anchors);
    d.next.next->crl = crl;
    d.next.next->generation = ++d.next.last_generation;
}

/// Invariant 8: what keeps a publication waiting is visible, unless an attempt waits beside it.
void show_wait(Decision& d, const std::optional<TimePoint>& due) {
    if (d.next.enrollment || !d.next.next) {
        return;
    }
    if (due) {
        d.next.wait = Wait{WaitingFor::timer, *due};
    } else if (d.next.wait.reason != WaitingFor::clock) {
        d.next.wait = Wait{WaitingFor::clock, d.now + clock_check};
    }
}

bool is_needed(const IdentityState& state, const KeyRecord& key) {
    const auto is = [&](const KeyRecord& other) { return other.id == key.id; };
    const bool attempted =
        state.enrollment &&
        (is(state.enrollment->key) || (state.enrollment->envelope_key && is(*state.enrollment->envelope_key)) ||
         (state.enrollment->transaction && state.enrollment->transaction->signer_key &&
          is(*state.enrollment->transaction->signer_key)));
    return attempted || (state.next && is(state.next->key)) || (state.current && is(state.current->key)) ||
           (state.shadow && is(state.shadow->credential.key));
}

/// The record of the same key where the state has one: only that says whose it is and under which id it is kept.
KeyRecord known_key(const IdentityState& state, const KeyRecord& found) {
    const std::array<const KeyRecord*, 4> known{
        state.enrollment ? &state.enrollment->key : nullptr, state.next ? &state.next->key : nullptr,
        state.current ? &state.current->key : nullptr, state.shadow ? &state.shadow->credential.key : nullptr};
    const auto* const same = std::ranges::find_if(
        known, [&](const KeyRecord* one) { return one != nullptr && one->spki == found.spki && !one->id.empty(); });
    return same == known.end() ? found : **same;
}

}  // namespace

void confirm(Decision& d) {
    if (!d.policy.clock_trusted || d.next.unproved) {
        return;
    }
    for (RetiredKey& retired : d.next.retired) {
        if (!retired.destroy_at) {
            retired.destroy_at = d.now + d.policy.retire_after;
        }
    }
}

void queue(Decision& d, Credential credential) {
    credential.generation = ++d.next.last_generation;
    credential.issued.anchors = anchors_for(credential.issued, d.next, d.policy);
    credential.crl = crl_for(credential, d.next, d.policy);
    const auto replaced = std::exchange(d.next.next, std::move(credential));
    d.next.publish_after = {};
    if (replaced && !is_needed(d.next, replaced->key)) {
        // Not confirmed: where the publication failed consumers may see it all the same.
        retire(d, replaced->key, false);
    }
}

void retire(Decision& d, const KeyRecord& key, bool confirmed) {
    if (key.adopted || key.id.empty()) {
        return;
    }
    // It signs nothing any more: what its token does not keep stays only where consumers have it, until it is
    // destroyed.
    const KeyRecord left{key.id, key.spki, false, {}, key.token};
    const auto known =
        std::ranges::find_if(d.next.retired, [&](const RetiredKey& one) { return one.key.id == key.id; });
    if (known == d.next.retired.end()) {
        d.next.retired.push_back({left, confirmed ? std::optional(d.now) : std::nullopt, 0});
    } else if (!confirmed) {
        *known = RetiredKey{left, std::nullopt, 0};
    }
}

bool publish(Decision& d) {
    queue_what_is_due(d);
    const auto due = publication_time(d.next, d.policy);
    if (!due || d.now < *due) {
        show_wait(d, due);
        const bool overtakes = current_overtakes(d.next, d.policy) && d.now >= d.next.publish_after;
        if (overtakes) {
            publish_current_again(d);
        }
        return overtakes;
    }
    take_what_is_newest(d);
    d.emit(PublishGeneration{d.next.next->generation});
    return true;
}

bool is_queued_again(const IdentityState& state) {
    return state.next && state.current && state.next->issued.leaf == state.current->issued.leaf;
}

bool publishes_in_order(const IdentityState& state, const Policy& policy) {
    return state.next && state.publish_after == TimePoint{} && !clock_blocks_publication(state, policy);
}

void bound_publication(Decision& d, Seconds longest) {
    if (d.next.publish_after > d.now + longest) {
        d.next.publish_after = {};
    }
    if (d.next.delivery && d.next.delivery->next_try > d.now + longest) {
        d.next.delivery->next_try = d.now;
    }
    for (RetiredKey& retired : d.next.retired) {
        if (retired.destroy_at && *retired.destroy_at > d.now + std::max(longest, d.policy.retire_after)) {
            retired.destroy_at = d.now + d.policy.retire_after;
        }
    }
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
            d.emit(DestroyKey{retired.key.id, retired.key.token});
            return true;
        }
    }
    return false;
}

std::vector<TimePoint> publication_times(const IdentityState& state, const Policy& policy) {
    std::vector<TimePoint> times;
    if (shadow_is_lost(state, policy) || shadow_is_outlived(state) ||
        (!state.next && (anchors_changed(state, policy) || crl_changed(state, policy)))) {
        times.emplace_back();
    }
    if (current_overtakes(state, policy)) {
        times.push_back(state.publish_after);
    }
    for (const auto& due : {publication_time(state, policy), switch_time(state, policy)}) {
        if (due) {
            times.push_back(*due);
        }
    }
    if (state.delivery) {
        times.push_back(policy.delivers ? state.delivery->next_try : TimePoint{});
    }
    for (const RetiredKey& retired : state.retired) {
        const bool confirmed = retired.destroy_at || (!state.delivery && !state.unproved);
        if (confirmed && policy.clock_trusted && !is_needed(state, retired.key)) {
            times.push_back(retired.destroy_at.value_or(TimePoint{}));
        }
    }
    return times;
}

namespace {

/// The disk takes files again.
void forget_full_storage(Decision& d) {
    if (!d.next.enrollment && d.next.failure && error_info(d.next.failure->code).remedy == Remedy::free_storage) {
        d.next.counters.failures = 0;
        d.next.failure.reset();
    }
}

/// Consumers see this one from now on. What it has replaced is retired, but not confirmed. True when that was another
/// certificate.
bool take_over(Decision& d, Credential seen) {
    const std::optional<Credential> old = std::exchange(d.next.current, std::nullopt);
    const bool again = old && old->issued.leaf == seen.issued.leaf;
    seen.published_at = again ? old->published_at : d.now;
    if (again) {
        forget_full_storage(d);
    } else {
        d.next.counters = {};
        d.next.failure.reset();
        d.next.alerted_at.reset();
        d.next.revoked = false;
    }
    if (old && old->key.id != seen.key.id) {
        retire(d, old->key, false);
    }
    d.next.current = std::move(seen);
    d.next.publish_after = {};
    return old && !again;
}

/// Consumers see `next`.
void show_next(Decision& d) {
    const bool taken_over = take_over(d, *std::exchange(d.next.next, std::nullopt));
    if (taken_over && d.next.enrollment) {
        // It was to better a certificate that is no more (ROLL-14).
        abandon(d);
    }
}

/// Invariant 3: consumers see `next`, and a power failure may undo that. It is the current one, so that neither a
/// window nor a clock comes between it and its being made durable, and no newer CRL brings the older certificate back.
void take_unproved(Decision& d) {
    show_next(d);
    d.next.unproved = true;
    queue(d, *d.next.current);
}

/// The current certificate with other anchors or another CRL; what waits, waits on.
void on_current_again(Decision& d, const GenerationPublished& event) {
    const bool expected = d.next.current && d.next.next && event.generation > d.next.current->generation &&
                          event.generation < d.next.next->generation;
    if (!expected) {
        return;
    }
    d.next.current->generation = event.generation;
    d.next.current->issued.anchors = event.beside->anchors;
    d.next.current->crl = event.beside->crl;
    d.next.unproved = false;
    d.next.publish_after = {};
    forget_full_storage(d);
    begin_delivery(d, event.generation, confirmed_end(d.next));
    d.settled = true;
    d.note = fmt::format("generation {} published", event.generation);
}

}  // namespace

void on(Decision& d, const GenerationPublished& event) {
    if (event.beside) {
        return on_current_again(d, event);
    }
    if (!d.next.next || event.generation != d.next.next->generation) {
        return;
    }
    const auto confirmed = confirmed_end(d.next);
    show_next(d);
    d.next.unproved = false;
    begin_delivery(d, event.generation, confirmed);
    if (!d.next.enrollment) {
        clear_wait(d);
    }
    d.settled = true;
    d.note = fmt::format("generation {} published", event.generation);
}

void take_what_is_seen(Decision& d, const Started& event) {
    const std::uint64_t highest = std::max(d.next.last_generation, event.highest_generation);
    d.next.last_generation = highest;
    d.next.next->generation = event.current_generation;
    const auto confirmed = confirmed_end(d.next);
    take_unproved(d);
    const Credential& queued = *d.next.next;
    if (event.shown && queued.crl == d.next.current->crl && queued.issued == d.next.current->issued) {
        // What is there, whole, is made durable under its number.
        d.next.next->generation = event.current_generation;
        d.next.last_generation = highest;
    }
    begin_delivery(d, event.current_generation, confirmed);
    if (!d.next.enrollment) {
        clear_wait(d);
    }
    d.note = fmt::format("generation {} is in front of consumers, and made durable", event.current_generation);
}

void on(Decision& d, const PublicationFailed& event) {
    if (!d.next.next) {
        return;
    }
    const auto confirmed = confirmed_end(d.next);
    std::optional<std::uint64_t> made_visible;
    if (event.seen && !is_queued_again(d.next)) {
        take_unproved(d);
        made_visible = d.next.current->generation;
    }
    ++d.next.counters.failures;
    d.next.failure = FailureRecord{event.error.code(), event.error.line(), d.now};
    d.next.publish_after = d.now + backoff(d, d.next.counters.failures);
    if (made_visible) {
        begin_delivery(d, *made_visible, confirmed);
    }
    if (!d.next.enrollment) {
        d.next.wait = Wait{WaitingFor::timer, d.next.publish_after};
    }
    d.settled = true;
    d.note = event.error.line();
}

/// S3: the state is not from before: a power failure has undone the switch to its certificate. What ends later than
/// that was replaced by it all the same (K10, SM-18).
bool has_come_back(const IdentityState& state, const PublishedFound& found) {
    const bool replaced = std::ranges::any_of(
        state.retired, [&](const RetiredKey& one) { return !one.destroy_at && one.key.spki == found.key.spki; });
    return state.unproved && state.next && state.current &&
           (replaced || found.issued.not_before <= state.current->issued.not_before);
}

/// It is the current one at once: neither a clock that is not trusted nor a window may keep it waiting, for what it has
/// replaced would be published over it with the next CRL. Consumers get it once more, whole. A request that the state
/// remembers was answered, or given up, before that certificate was published.
void on(Decision& d, const PublishedFound& event) {
    d.settled = true;
    const auto lasts_as_long = [&](const auto& known) {
        return known && known->issued.not_after >= event.issued.not_after;
    };
    if (event.key.id.empty() || event.key.spki.empty() || lasts_as_long(d.next.current) || lasts_as_long(d.next.next)) {
        return;
    }
    d.next.last_generation = std::max(d.next.last_generation, event.highest_generation);
    if (has_come_back(d.next, event)) {
        d.next.next->generation = ++d.next.last_generation;
        d.next.publish_after = {};
        d.note = "a power failure has brought an older certificate back, the current one is published again";
        return;
    }
    const KeyRecord key = known_key(d.next, event.key);
    if (d.next.enrollment) {
        abandon(d);
    }
    d.next.wish = Wish::nothing;
    std::erase_if(d.next.retired, [&](const RetiredKey& one) { return one.key.id == key.id; });
    // A name that was asked for under no known mark is not the configured one: F3 sees to that.
    const Bytes name_mark = event.as_configured ? d.policy.name_mark : Bytes{0};
    if (d.next.shadow && d.next.shadow->credential.issued.leaf == event.issued.leaf) {
        d.next.shadow.reset();  // it has taken over since
    }
    clear_wait(d);
    const auto confirmed = confirmed_end(d.next);
    take_over(
        d,
        Credential{key, event.issued, event.highest_generation, {}, d.draw.fraction, name_mark, d.policy.content_mark});
    d.next.unproved = true;
    if (d.policy.delivers) {
        begin_delivery(d, event.highest_generation, confirmed);
    }
    queue(d, *d.next.current);
    d.note = fmt::format(
        "consumers see a certificate that the state does not know, valid until {}: the state is from an older backup, "
        "and goes on from that certificate",
        to_iso8601(event.issued.not_after));
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
    retired->destroy_at = d.now + spread(doubled(clock_check, retirement_longest, retired->failures), d.draw.fraction);
    d.note = event.error->line();
}

}  // namespace hwenroll::lifecycle
