// One word for people for each state of the machine (design, "Interfaces").
#include "agent/observe/status_words.h"

#include <gtest/gtest.h>

namespace hwenroll::observe {
namespace {

using lifecycle::IdentityState;
using lifecycle::Phase;

const TimePoint now = TimePoint(Seconds(1'800'000'000));

IdentityState in_phase(Phase phase) {
    IdentityState state;
    state.phase = phase;
    return state;
}

IdentityState valid_until(TimePoint end) {
    IdentityState state = in_phase(Phase::valid);
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
    IdentityState held = in_phase(Phase::held);
    for (const auto& [reason, word] : {std::pair(lifecycle::HoldReason::rejected, "HELD(rejected)"),
                                       std::pair(lifecycle::HoldReason::message_cap, "HELD(message-cap)"),
                                       std::pair(lifecycle::HoldReason::key_refused, "HELD(key-refused)")}) {
        held.hold = lifecycle::Hold{reason, {}};
        EXPECT_EQ(status_word(held, now), word);
    }
}

TEST(StatusWords, the_next_step_names_its_time) {
    IdentityState pending = in_phase(Phase::pending);
    pending.wait = {lifecycle::WaitingFor::ca, now + Seconds(90)};
    EXPECT_EQ(next_step(pending, now), "ask the CA again in 1 min 30 s (" + to_iso8601(now + Seconds(90)) + ")");
    EXPECT_NE(next_step(valid_until(now + Seconds(86400)), now).find("expires in 1 d"), std::string::npos);
}

TEST(StatusWords, HTTP_28_the_next_step_names_the_time_that_the_ca_asked_for) {
    IdentityState asked = in_phase(Phase::need_submit);
    asked.wait = {lifecycle::WaitingFor::network, now + Seconds(90), lifecycle::RetryAfter{now + Seconds(90), {}}};
    EXPECT_EQ(next_step(asked, now),
              "waits as the CA asked, retried in 1 min 30 s (" + to_iso8601(now + Seconds(90)) + ") at the earliest");
    EXPECT_EQ(next_step(asked, now + Seconds(90)), "waits for network, retried at the next run of hwenrolld");
}

}  // namespace
}  // namespace hwenroll::observe
