// One word for people for each state of the machine (design, "Interfaces").
#include "agent/observe/status_words.h"

#include <gtest/gtest.h>

namespace hwenroll::observe {
namespace {

using lifecycle::IdentityState;
using lifecycle::Phase;

const TimePoint now = TimePoint(Seconds(1'800'000'000));

/// A state whose contents imply the phase.
IdentityState in_phase(Phase phase) {
    IdentityState state;
    const lifecycle::IssuedRecord issued{{}, {}, {}, now, now + Seconds(86400)};
    if (phase == Phase::need_publish) {
        state.next = lifecycle::Credential{{}, issued, 1, {}};
    } else if (phase != Phase::unenrolled) {
        state.enrollment.emplace();
    }
    if (phase == Phase::need_submit || phase == Phase::pending) {
        state.enrollment->key.spki = {1};
        state.enrollment->transaction.emplace().pending = phase == Phase::pending;
    }
    state.phase = lifecycle::overall_phase(state);
    return state;
}

IdentityState valid_until(TimePoint end) {
    IdentityState state;
    state.phase = Phase::valid;
    state.current = lifecycle::Credential{{}, {{}, {}, {}, now, end}, 1, now};
    return state;
}

TEST(StatusWords, every_phase_has_its_word) {
    EXPECT_EQ(status_word(in_phase(Phase::unenrolled), now), "NEW");
    EXPECT_EQ(status_word(in_phase(Phase::need_key), now), "KEYGEN");
    EXPECT_EQ(status_word(in_phase(Phase::need_submit), now), "REQUESTED");
    EXPECT_EQ(status_word(in_phase(Phase::pending), now), "PENDING");
    EXPECT_EQ(status_word(in_phase(Phase::need_publish), now), "DEPLOYING");
    EXPECT_EQ(status_word(valid_until(now + Seconds(1)), now), "OK");
    EXPECT_EQ(status_word(valid_until(now), now), "EXPIRED");
}

TEST(StatusWords, a_failure_shows_as_retrying_and_a_hold_with_its_reason) {
    IdentityState failing = in_phase(Phase::need_submit);
    failing.failure = lifecycle::FailureRecord{ErrorCode::ca_timeout, "late", now};
    EXPECT_EQ(status_word(failing, now), "RETRYING");
    IdentityState held = in_phase(Phase::need_submit);
    for (const auto& [reason, word] : {std::pair(lifecycle::HoldReason::rejected, "HELD(rejected)"),
                                       std::pair(lifecycle::HoldReason::message_cap, "HELD(message-cap)"),
                                       std::pair(lifecycle::HoldReason::key_refused, "HELD(key-refused)"),
                                       std::pair(lifecycle::HoldReason::cancelled, "HELD(cancelled)")}) {
        held.hold = lifecycle::Hold{reason, {}};
        EXPECT_EQ(status_word(held, now), word);
    }
}

TEST(StatusWords, what_goes_on_beside_a_valid_certificate_has_its_word) {
    IdentityState renewing = valid_until(now + Seconds(86400));
    renewing.enrollment.emplace();
    EXPECT_EQ(status_word(renewing, now), "RENEWING");
    renewing.failure = lifecycle::FailureRecord{ErrorCode::ca_timeout, "late", now};
    EXPECT_EQ(status_word(renewing, now), "RETRYING");
    EXPECT_EQ(status_word(renewing, now + Seconds(86400)), "EXPIRED");
    IdentityState shadowed = valid_until(now + Seconds(86400));
    shadowed.shadow = lifecycle::Shadow{*shadowed.current, {}};
    EXPECT_EQ(status_word(shadowed, now), "SHADOW-READY");
    IdentityState telling = valid_until(now + Seconds(86400));
    telling.delivery = lifecycle::Delivery{1, 0, now};
    EXPECT_EQ(status_word(telling, now), "DEPLOYING");
}

TEST(StatusWords, invariant_11_an_alert_says_what_is_wrong_and_why) {
    IdentityState state = valid_until(now + Seconds(86400));
    state.failure = lifecycle::FailureRecord{ErrorCode::ca_timeout, "the CA is silent", now};
    EXPECT_EQ(alert_text(state, lifecycle::RaiseAlert::Kind::overdue, now),
              "not renewed, expires in 1 d (" + to_iso8601(now + Seconds(86400)) + "): the CA is silent");
    state.hold = lifecycle::Hold{lifecycle::HoldReason::rejected, {}};
    EXPECT_EQ(alert_text(state, lifecycle::RaiseAlert::Kind::held, now), "held (rejected): the CA is silent");
    state.delivery = lifecycle::Delivery{
        2, 1, now + Seconds(90), {}, lifecycle::DeliveryFailure{ErrorCode::hook_failed, "the hook failed", now, 1}};
    EXPECT_EQ(alert_text(state, lifecycle::RaiseAlert::Kind::delivery, now),
              "consumers do not use generation 2, told again in 1 min 30 s (" + to_iso8601(now + Seconds(90)) +
                  "): the hook failed");
}

TEST(StatusWords, the_next_step_names_its_time) {
    IdentityState pending = in_phase(Phase::pending);
    pending.wait = {lifecycle::WaitingFor::ca, now + Seconds(90)};
    EXPECT_EQ(next_step(pending, now), "ask the CA again in 1 min 30 s (" + to_iso8601(now + Seconds(90)) + ")");
    EXPECT_NE(next_step(valid_until(now + Seconds(86400)), now).find("expires in 1 d"), std::string::npos);
}

TEST(StatusWords, O1_the_next_step_after_a_failed_delivery_names_its_time_and_what_ends_the_wait) {
    IdentityState telling = valid_until(now + Seconds(86400));
    telling.delivery = lifecycle::Delivery{1, 0, now};
    EXPECT_EQ(next_step(telling, now), "tell the consumers now");
    telling.delivery->failures = 1;
    telling.delivery->next_try = now + Seconds(90);
    EXPECT_EQ(next_step(telling, now), "tell the consumers again in 1 min 30 s (" + to_iso8601(now + Seconds(90)) +
                                           "), or as soon as 'hwenroll resume' says so");
    EXPECT_EQ(next_step(telling, now + Seconds(90)), "tell the consumers now");
}

TEST(StatusWords, HTTP_28_the_next_step_names_the_time_that_the_ca_asked_for) {
    IdentityState asked = in_phase(Phase::need_submit);
    asked.wait = {lifecycle::WaitingFor::network, now + Seconds(90), lifecycle::RetryAfter{now + Seconds(90), {}}};
    EXPECT_EQ(next_step(asked, now),
              "waits as the CA asked, retried in 1 min 30 s (" + to_iso8601(now + Seconds(90)) + ") at the earliest");
    EXPECT_EQ(next_step(asked, now + Seconds(90)), "waits for network, retried now or when hwenrolld starts");
}

}  // namespace
}  // namespace hwenroll::observe
