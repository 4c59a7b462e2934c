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
        case HoldReason::cancelled:
            return "cancelled";
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

namespace {

std::string word_without_certificate(const IdentityState& state) {
    const Phase phase = lifecycle::attempt_phase(state);
    if (phase == Phase::pending) {
        return "PENDING";
    }
    if (state.failure) {
        return "RETRYING";
    }
    switch (phase) {
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

std::string in(TimePoint time, TimePoint now) {
    return time <= now ? std::string("now") : "in " + to_words(time - now) + " (" + to_iso8601(time) + ")";
}

std::string step_of_attempt(const IdentityState& state, TimePoint now) {
    if (lifecycle::attempt_phase(state) == Phase::pending) {
        return "ask the CA again " + in(state.wait.until, now);
    }
    if (state.wait.reason == WaitingFor::nothing) {
        return "the request is under way; hwenrolld goes on with it";
    }
    if (state.wait.retry_after && now < state.wait.retry_after->until) {
        return "waits as the CA asked, retried " + in(state.wait.retry_after->until, now) + " at the earliest";
    }
    return "waits for " + to_text(state.wait.reason) + ", retried " + in(state.wait.until, now) +
           " or when hwenrolld starts";
}

std::string step_of_certificate(const IdentityState& state, TimePoint now) {
    const TimePoint end = state.current->issued.not_after;
    if (now >= end) {
        return "expired since " + to_iso8601(end);
    }
    if (state.shadow) {
        return "the CA's successor takes over " + in(state.shadow->credential.issued.not_before, now);
    }
    return "nothing due; expires " + in(end, now);
}

}  // namespace

std::string status_word(const IdentityState& state, TimePoint now) {
    if (state.current && now >= state.current->issued.not_after) {
        return "EXPIRED";
    }
    if (state.hold) {
        return "HELD(" + to_text(state.hold->reason) + ")";
    }
    if (!state.current) {
        return word_without_certificate(state);
    }
    if (state.next || state.delivery) {
        return "DEPLOYING";
    }
    if (state.enrollment) {
        return state.failure ? "RETRYING" : "RENEWING";
    }
    return state.shadow ? "SHADOW-READY" : "OK";
}

std::string next_step(const IdentityState& state, TimePoint now) {
    if (state.hold) {
        return "one retry " + in(state.wait.until, now) +
               ", or as soon as the configuration or the challenge changes, or 'hwenroll resume' says so";
    }
    if (state.enrollment) {
        return step_of_attempt(state, now);
    }
    if (state.next) {
        return state.publish_after <= now ? "publish the new certificate" : "publish " + in(state.publish_after, now);
    }
    if (lifecycle::is_undelivered(state, now)) {
        return "tell the consumers again " + in(state.delivery->next_try, now) +
               ", or as soon as 'hwenroll resume' says so";
    }
    if (state.delivery) {
        return "tell the consumers " + in(state.delivery->next_try, now);
    }
    return state.current ? step_of_certificate(state, now) : "enroll at the next run of hwenrolld";
}

std::string alert_text(const IdentityState& state, lifecycle::RaiseAlert::Kind kind, TimePoint now) {
    const std::string cause = state.failure ? ": " + state.failure->line : std::string();
    switch (kind) {
        case lifecycle::RaiseAlert::Kind::expired:
            return "the certificate has expired at " + to_iso8601(state.current->issued.not_after) + cause;
        case lifecycle::RaiseAlert::Kind::held:
            return "held (" + (state.hold ? to_text(state.hold->reason) : std::string("unknown")) + ")" + cause;
        case lifecycle::RaiseAlert::Kind::delivery:
            return "consumers do not use generation " +
                   std::to_string(state.delivery ? state.delivery->generation : 0) + ", told again " +
                   in(state.delivery ? state.delivery->next_try : now, now) +
                   (state.delivery && state.delivery->failure ? ": " + state.delivery->failure->line : std::string());
        case lifecycle::RaiseAlert::Kind::revoked:
            return "the certificate is revoked, a new one with a new key is asked for; the revoked one stays published "
                   "until that is there" +
                   cause;
        case lifecycle::RaiseAlert::Kind::overdue:
            break;
    }
    return "not renewed, expires " + in(state.current->issued.not_after, now) + cause;
}

}  // namespace hwenroll::observe
