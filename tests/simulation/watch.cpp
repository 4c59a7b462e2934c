#include "tests/simulation/watch.h"

#include <algorithm>

#include <fmt/format.h>

namespace hwenroll::simulation {
namespace {

using lifecycle::IdentityState;
using lifecycle::Purpose;

constexpr std::uint32_t most_steps_a_day = 4000;
constexpr std::uint32_t most_published_a_day = 8;
constexpr Seconds tolerance = 5 * minute;
constexpr Seconds lasting = 45 * day;
constexpr Seconds repaired_within = hour;
/// A wrong clock may have used up the cap of invariant 5. Then a refusal and a lost reply cost a hold of a day each.
constexpr Seconds mended_within = 50 * hour;
/// REN-1: a certificate that ends this shortly before its CA is not renewed once more by that CA.
constexpr Seconds gap_of_rollover = hour;

bool is_known(const IdentityState& state, const Bytes& id) {
    return (state.current && state.current->key.id == id) || (state.next && state.next->key.id == id) ||
           (state.shadow && state.shadow->credential.key.id == id) ||
           (state.enrollment && state.enrollment->key.id == id) ||
           std::ranges::any_of(state.retired, [&](const auto& retired) { return retired.key.id == id; });
}

/// An open transaction may only end by its outcome or by a reason that state and time show.
bool may_end(const IdentityState& before, const lifecycle::Event& event, const lifecycle::Policy& policy,
             TimePoint wall) {
    if (!std::holds_alternative<lifecycle::Due>(event) && !std::holds_alternative<lifecycle::Started>(event) &&
        !std::holds_alternative<lifecycle::RenewalWanted>(event)) {
        return true;
    }
    const lifecycle::Enrollment& enrollment = *before.enrollment;
    const auto& signer = enrollment.transaction->signer_key;
    const bool successor_gone = enrollment.purpose == Purpose::shadow &&
                                policy.authority.anchor != enrollment.authority &&
                                (!policy.authority.next || policy.authority.next->anchor != enrollment.authority);
    const std::vector<Bytes>& left = policy.authority.left;
    const bool left_behind =
        before.current && std::ranges::find(left, before.current->issued.anchors.front()) != left.end();  // ROLL-17
    return wall >= enrollment.transaction->prepared_at + policy.poll.give_up || successor_gone || left_behind ||
           (before.current && wall >= before.current->issued.not_after) ||
           (signer && (!before.current || before.current->key != *signer));
}

}  // namespace

void Watch::report(TimePoint now, std::string rule, std::string what) {
    if (!violation_) {
        violation_ = Violation{identity_, now, std::move(rule), std::move(what)};
    }
}

void Watch::committed(const IdentityState& before, const lifecycle::Event& event, const IdentityState& after,
                      const lifecycle::Policy& policy, TimePoint wall, TimePoint now, const TokenModel& token) {
    if (before.enrollment && before.enrollment->transaction) {
        const bool same = after.enrollment && after.enrollment->transaction &&
                          after.enrollment->transaction->id == before.enrollment->transaction->id &&
                          after.enrollment->key == before.enrollment->key;
        if (!same && !may_end(before, event, policy, wall)) {
            report(now, "invariant 4", "transaction " + before.enrollment->transaction->id.value + " ended unanswered");
        }
    }
    look_at_token(after, now, token);
}

void Watch::look_at_token(const IdentityState& state, TimePoint now, const TokenModel& token) {
    for (const TokenKey& key : token.keys()) {
        if (!is_known(state, key.id)) {
            report(now, "invariant 9", "the token holds key " + to_hex(key.id) + " that the identity does not know");
        }
    }
    const auto need = [&](const auto& credential, const char* whose) {
        if (token.find(credential.key.id) == nullptr) {
            report(now, "invariant 1", fmt::format("the key of the {} certificate is not on the token", whose));
        }
    };
    if (state.current) {
        need(*state.current, "current");
    }
    if (state.next) {
        need(*state.next, "next");
    }
    if (state.shadow) {
        need(state.shadow->credential, "shadow");
    }
}

Seconds Watch::longest_chance(Span span, bool needs_authority) const {
    std::vector<Span> closed = away_;
    if (needs_authority) {
        closed.insert(closed.end(), timeline_.downtimes().begin(), timeline_.downtimes().end());
        closed.insert(closed.end(), undecided_.begin(), undecided_.end());
    }
    std::erase_if(closed, [&](const Span& one) { return one.end <= span.begin || one.begin >= span.end; });
    std::ranges::sort(closed, {}, &Span::begin);
    Seconds longest{0};
    TimePoint open = span.begin;
    for (const Span& one : closed) {
        longest = std::max(longest, Seconds(one.begin - open));
        open = std::max(open, one.end);
    }
    return std::max(longest, Seconds(span.end - open));
}

void Watch::look_for_expiry(const Published& seen, TimePoint now) {
    if (now <= seen.validity.end) {
        return;
    }
    const Seconds enough = std::min(12 * hour, Seconds(seen.validity.end - seen.validity.begin) / 20);
    // What has waited for its window is renewed no sooner than it is seen.
    const Seconds chance = longest_chance({std::max(seen.renewal_point, seen.since), seen.validity.end}, true);
    if (chance < enough) {
        ++excused_;
        return;
    }
    report(now, "expiry",
           fmt::format("the certificate of generation {} expired at {}, though for {} on end after its renewal point "
                       "the CA, the token, the machine and its clock were there",
                       seen.generation, to_iso8601(seen.validity.end), to_words(chance)));
}

void Watch::look_for_early(const Published& seen, TimePoint now) {
    const TimePoint until = std::min(now, seen.validity.begin);
    if (seen.since >= until) {
        return;
    }
    if (longest_chance({seen.since, until}, true) >= mended_within) {
        report(now, "expiry",
               "consumers were led to generation " + std::to_string(seen.generation) + " at " + to_iso8601(seen.since) +
                   ", which is valid from " + to_iso8601(seen.validity.begin) + ", and were not led back");
    }
}

void Watch::look_at_switch(const Published& old, const Published& seen, TimePoint now) {
    gaps_ += old.validity.end < seen.validity.begin ? 1 : 0;
    if (longest_chance({std::min(now, seen.validity.begin), now}, false) > tolerance) {
        report(now, "expiry",
               "the shadow certificate took over only " + to_words(now - seen.validity.begin) + " after it could");
    }
}

void Watch::look_at_end(const Published& old, const Published& seen, TimePoint now) {
    const TimePoint authority_end =
        timeline_.generation(timeline_.in_office(old.validity.end - Seconds(1))).validity.end;
    const bool near = old.validity.end >= authority_end - gap_of_rollover;
    if (near && seen.validity.begin == authority_end) {
        return look_at_switch(old, seen, now);
    }
    if (near && old.validity.end < authority_end &&
        longest_chance({old.validity.end, now}, true) <= 2 * gap_of_rollover) {
        // It was in that gap, and a new enrollment was faster than the shadow.
        gaps_ += old.validity.end < now ? 1 : 0;
        return;
    }
    look_for_expiry(old, now);
}

void Watch::published(const std::optional<Published>& old, const Published& seen, TimePoint now, bool misled,
                      const TokenModel& token) {
    if (token.find(seen.key_id) == nullptr) {
        report(now, "invariant 1", "a certificate was published whose key is not on the token");
    }
    const bool changed = !old || old->leaf != seen.leaf;
    const bool seen_before = old && old->fell_back;
    const bool had_one = old && old->validity.begin <= now && now < old->validity.end;
    if (changed && (had_one || !old) && !misled && !seen_before &&
        (now < seen.validity.begin - hour - tolerance || now >= seen.validity.end)) {
        report(now, "invariant 1",
               fmt::format("consumers were led to a certificate that is valid from {} to {}",
                           to_iso8601(seen.validity.begin), to_iso8601(seen.validity.end)));
    }
    if (changed) {
        differs_since_.reset();
    }
    if (old && changed) {
        if (!seen_before) {
            look_for_early(*old, now);
            look_at_end(*old, seen, now);
        }
        if (seen.validity.end < old->validity.end && old->validity.begin <= now) {
            report(now, "invariant 3",
                   fmt::format("published notAfter went from {} to {}", to_iso8601(old->validity.end),
                               to_iso8601(seen.validity.end)));
        }
        // By a believed clock that is a lifetime ahead, every certificate comes shortly before its end (C9).
        if (!misled && ++published_today_ > most_published_a_day) {
            report(now, "busy",
                   fmt::format("{} certificates published since {}", published_today_, to_iso8601(day_began_)));
        }
        if (old->key_id != seen.key_id) {
            superseded_.push_back({old->key_id, now});
        }
        for (std::vector<Span>* const spans : {&away_, &undecided_}) {
            std::erase_if(*spans, [&](const Span& one) { return one.end <= now; });
        }
    }
    for (const Superseded& one : superseded_) {
        if (now - one.at > lasting) {
            report(
                now, "retirement",
                "key " + to_hex(one.key_id) + " was replaced at " + to_iso8601(one.at) + " and is still on the token");
        }
    }
}

void Watch::fell_back(std::optional<Published>& seen) {
    if (seen) {
        seen->fell_back = true;
        std::erase_if(superseded_, [&](const Superseded& one) { return one.key_id == seen->key_id; });
    }
}

void Watch::look_at_consumers(const IdentityState& state, const std::optional<Published>& seen, TimePoint now) {
    const bool same = state.current ? seen && seen->leaf == state.current->issued.leaf : !seen;
    if (same) {
        return differs_since_.reset();
    }
    if (!differs_since_) {
        differs_since_ = now;
    }
    if (longest_chance({*differs_since_, now}, false) > repaired_within) {
        report(now, "invariant 3",
               fmt::format("consumers see {} since {}, and the state says {}",
                           seen ? "generation " + std::to_string(seen->generation) : "nothing",
                           to_iso8601(*differs_since_),
                           state.current ? "generation " + std::to_string(state.current->generation) : "nothing"));
    }
}

void Watch::destroyed(const Bytes& key_id, const std::optional<Published>& seen,
                      const std::optional<Published>& durable, Seconds retire_after, TimePoint now, bool misled) {
    if (seen && seen->key_id == key_id) {
        report(now, "invariant 1", "the key of the published certificate was destroyed");
    }
    if (durable && durable->key_id == key_id) {
        report(now, "invariant 1", "the key of what a power failure would bring back was destroyed");
    }
    const auto superseded = std::ranges::find(superseded_, key_id, &Superseded::key_id);
    if (superseded == superseded_.end()) {
        return;
    }
    if (now - superseded->at < retire_after - hour - tolerance && superseded->at > hurried_at_ && !misled) {
        report(now, "retirement",
               "key " + to_hex(key_id) + " was destroyed " + to_words(now - superseded->at) + " after it was replaced");
    }
    superseded_.erase(superseded);
}

void Watch::issued(std::uint64_t counted, std::uint64_t messages, TimePoint since, TimePoint now) {
    const auto days = static_cast<std::uint64_t>((now - since) / day);
    const std::uint64_t retries = days + put_right_;
    if (counted > 3 + retries || messages > 48 + retries) {
        report(now, "invariant 5",
               fmt::format("{} certificates and {} messages since {}", counted, messages, to_iso8601(since)));
    }
}

void Watch::stepped(TimePoint now) {
    if (now - day_began_ >= day) {
        day_began_ = now;
        steps_today_ = published_today_ = 0;
    }
    if (++steps_today_ > most_steps_a_day) {
        report(now, "busy", fmt::format("{} decisions since {}", steps_today_, to_iso8601(day_began_)));
    }
}

void Watch::at_end(const IdentityState& state, const std::optional<Published>& seen, TimePoint installed_at,
                   TimePoint now, const TokenModel& token) {
    look_at_token(state, now, token);
    if (seen) {
        look_for_early(*seen, now);
        look_for_expiry(*seen, now);
    } else if (now - installed_at > lasting) {
        report(now, "enrollment", "there is still no certificate");
    }
    for (const Superseded& one : superseded_) {
        if (now - one.at > lasting) {
            report(
                now, "retirement",
                "key " + to_hex(one.key_id) + " was replaced at " + to_iso8601(one.at) + " and is still on the token");
        }
    }
}

}  // namespace hwenroll::simulation
