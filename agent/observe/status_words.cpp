#include "agent/observe/status_words.h"

namespace hwenroll::observe {

using lifecycle::HoldReason;
using lifecycle::IdentityState;
using lifecycle::Phase;
using lifecycle::WaitingFor;

std::string to_text(HoldReason reason) {
    switch (reason) {
        case HoldReason::rejected:
            return "rejected";
        case HoldReason::message_cap:
            return "message-cap";
        case HoldReason::key_refused:
            break;
    }
    return "key-refused";
}

std::string to_text(WaitingFor reason) {
    switch (reason) {
        case WaitingFor::nothing:
            return "nothing";
        case WaitingFor::timer:
            return "timer";
        case WaitingFor::token:
            return "token";
        case WaitingFor::pin:
            return "pin";
        case WaitingFor::network:
            return "network";
        case WaitingFor::ca:
            return "ca";
        case WaitingFor::operator_:
            return "operator";
        case WaitingFor::clock:
            break;
    }
    return "clock";
}

std::string status_word(const IdentityState& state, TimePoint now) {
    if (state.phase == Phase::held) {
        return "HELD(" + (state.hold ? to_text(state.hold->reason) : "unknown") + ")";
    }
    if (state.phase == Phase::valid) {
        return now < state.current->issued.not_after ? "OK" : "EXPIRED";
    }
    if (state.phase == Phase::pending) {
        return "PENDING";
    }
    if (state.failure) {
        return "RETRYING";
    }
    switch (state.phase) {
        case Phase::need_key:
            return "KEYGEN";
        case Phase::need_submit:
            return "REQUESTED";
        case Phase::need_publish:
            return "DEPLOYING";
        default:
            return "NEW";
    }
}

std::string next_step(const IdentityState& state, TimePoint now) {
    const auto in = [&](TimePoint time) {
        return time <= now ? std::string("now") : "in " + to_words(time - now) + " (" + to_iso8601(time) + ")";
    };
    switch (state.phase) {
        case Phase::valid:
            return now < state.current->issued.not_after
                       ? "nothing due; expires " + in(state.current->issued.not_after)
                       : "expired since " + to_iso8601(state.current->issued.not_after);
        case Phase::held:
            return "one retry " + in(state.wait.until) + ", or as soon as the configuration or the challenge changes";
        case Phase::pending:
            return "ask the CA again " + in(state.wait.until);
        default:
            break;
    }
    if (state.wait.reason == WaitingFor::nothing) {
        return "enroll at the next run of hwenrolld";
    }
    if (state.wait.retry_after && now < state.wait.retry_after->until) {
        return "waits as the CA asked, retried " + in(state.wait.retry_after->until) + " at the earliest";
    }
    return "waits for " + to_text(state.wait.reason) + ", retried at the next run of hwenrolld";
}

}  // namespace hwenroll::observe
