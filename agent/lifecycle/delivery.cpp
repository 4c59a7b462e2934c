// From a published generation to told consumers.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/publication.h"

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds delivery_first{60};
constexpr Seconds delivery_longest{3600};

/// Nobody waits for the consumers any more.
void end_delivery(Decision& d) {
    if (delivery_failures(d.next) > 0) {
        d.next.alerted_at.reset();  // of the failed delivery; a CRL's reminds nobody of anything else
    }
    d.next.delivery.reset();
    confirm(d);
}

void note_failure(Delivery& delivery, const Error& error, TimePoint now) {
    if (!delivery.failure) {
        delivery.failure = DeliveryFailure{error.code(), {}, now, delivery.failures};
    }
    delivery.failure->code = error.code();
    delivery.failure->line = error.line();
    ++delivery.failure->attempts;
}

}  // namespace

std::optional<TimePoint> confirmed_end(const IdentityState& state) {
    if (state.delivery) {
        return state.delivery->confirmed;
    }
    return state.current ? std::optional(state.current->issued.not_after) : std::nullopt;
}

std::uint32_t delivery_failures(const IdentityState& state) {
    if (!state.delivery) {
        return 0;
    }
    return state.delivery->failure ? state.delivery->failure->attempts : state.delivery->failures;
}

bool is_undelivered(const IdentityState& state, TimePoint now) {
    return state.delivery && state.delivery->failures > 0 && now < state.delivery->next_try;
}

void begin_delivery(Decision& d, std::uint64_t generation, std::optional<TimePoint> confirmed) {
    if (!d.policy.delivers) {
        return end_delivery(d);
    }
    std::optional<DeliveryFailure> failure = d.next.delivery ? d.next.delivery->failure : std::nullopt;
    d.next.delivery = Delivery{generation, 0, d.now, confirmed, std::move(failure)};
}

bool deliver(Decision& d) {
    if (d.next.delivery && !d.policy.delivers) {
        end_delivery(d);
        d.note = "no consumer is to be told any more";
    }
    if (!d.next.delivery || d.now < d.next.delivery->next_try) {
        return false;
    }
    d.emit(Deliver{d.next.delivery->generation});
    return true;
}

bool deliver_again(Decision& d) {
    if (delivery_failures(d.next) == 0) {
        return false;
    }
    d.next.delivery->next_try = std::min(d.next.delivery->next_try, d.now);
    return true;
}

void on(Decision& d, const Delivered& event) {
    if (!d.next.delivery || event.generation != d.next.delivery->generation) {
        return;
    }
    d.settled = true;
    if (!event.error) {
        end_delivery(d);
        d.note = fmt::format("consumers use generation {}", event.generation);
        return;
    }
    const Seconds life = life_at_hand(d.next);
    Delivery& delivery = *d.next.delivery;
    note_failure(delivery, *event.error, d.now);
    const Seconds step = doubled(scaled(delivery_first, life), delivery_longest, delivery.failures++);
    delivery.next_try = d.now + spread(step, d.draw.fraction);
    d.note = event.error->line();
}

}  // namespace hwenroll::lifecycle
