#include "agent/lifecycle/resync.h"

#include <algorithm>

namespace hwenroll::lifecycle {
namespace {

bool may_make_anew(const Policy& policy) {
    return std::ranges::find(policy.resync, Resync::fresh) != policy.resync.end();
}

}  // namespace

std::optional<Resync> recovery_of(const Transaction& transaction, const Policy& policy) {
    if (transaction.pending || transaction.recovery == 0 || transaction.recovery > policy.resync.size()) {
        return std::nullopt;
    }
    return policy.resync[transaction.recovery - 1];
}

bool asks_by_poll(const Transaction& transaction, const Policy& policy) {
    return transaction.pending || recovery_of(transaction, policy) == Resync::poll;
}

bool was_not_sent(const IdentityState& state, const Transaction& transaction) {
    const auto& failure = state.failure;
    if (transaction.sends == 0) {
        return true;
    }
    if (transaction.recovery > 0 || !failure || failure->at < transaction.prepared_at) {
        return false;
    }
    const Remedy remedy = error_info(failure->code).remedy;
    return failure->code == ErrorCode::ca_unreachable || failure->code == ErrorCode::ca_url_too_long ||
           remedy == Remedy::wait_token || remedy == Remedy::change_pin;
}

bool may_have_been_lost(const Enrollment& enrollment, const Transaction& request, const Policy& policy,
                        const std::optional<scep::FailInfo>& reason) {
    const scep::FailInfo why = reason.value_or(scep::FailInfo::bad_request);
    const bool unknown_poll = asks_by_poll(request, policy) && why == scep::FailInfo::bad_cert_id;
    const bool repeated =
        !request.pending && (request.sends > 1 || request.recovery > 0) && why == scep::FailInfo::bad_request;
    return !enrollment.restarted && (repeated || unknown_poll);
}

std::optional<Resync> next_recovery(Transaction& request, const Policy& policy) {
    if (request.pending) {
        return may_make_anew(policy) ? std::optional(Resync::fresh) : std::nullopt;
    }
    // Sent again before any way was begun: that was as good as `same`, if that is the first.
    const bool tried = request.recovery > 0 || (!policy.resync.empty() && policy.resync.front() == Resync::same);
    request.recovery = tried ? std::max(request.recovery, 1U) + 1 : 1;
    return recovery_of(request, policy);
}

bool is_answered_for_good(const Enrollment& enrollment, const Policy& policy, const Error& refusal) {
    const Remedy remedy = refusal.info().remedy;
    // A challenge that cannot be read now may open the same answer later (ENV-13).
    const bool opened =
        remedy != Remedy::wait_token && remedy != Remedy::change_pin && refusal.code() != ErrorCode::challenge_source;
    return opened && enrollment.transaction && asks_by_poll(*enrollment.transaction, policy) && may_make_anew(policy);
}

}  // namespace hwenroll::lifecycle
