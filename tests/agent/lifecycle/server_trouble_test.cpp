// A server that has an error for everything, for as long as it likes.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

/// What came of a life under such a server.
struct Trouble {
    std::vector<TimePoint> sends;
    std::vector<TimePoint> alerts;
    Seconds longest_wait{0};
};

/// Answers all that is sent by `failure` until `end`.
Trouble until(Walk& walk, TimePoint end, const EffectFailed& failure) {
    Trouble trouble;
    while (walk.now < end) {
        if (walk.emits<RaiseAlert>()) {
            trouble.alerts.push_back(walk.now);
        }
        if (walk.emits<MakeKey>() || walk.emits<PrepareRequest>()) {
            walk.send();
            continue;
        }
        if (walk.emits<SendRequest>() || walk.emits<SendPoll>()) {
            trouble.sends.push_back(walk.now);
            walk.on(failure);
            continue;
        }
        const TimePoint next = std::max(walk.due().value_or(end), walk.now + Seconds(1));
        trouble.longest_wait = std::max(trouble.longest_wait, next - walk.now);
        walk.due_at(next);
    }
    return trouble;
}

std::ptrdiff_t between(const std::vector<TimePoint>& times, TimePoint from, TimePoint to) {
    return std::ranges::count_if(times, [&](TimePoint time) { return time >= from && time < to; });
}

TEST(ServerTrouble, HTTP_30_a_server_that_answers_500_for_ever_is_asked_ever_more_rarely_and_complained_about) {
    Walk walk;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).published();
    const TimePoint renewal = start + 300 * day;
    walk.due_at(renewal).send();
    const Trouble trouble = until(walk, start + 400 * day, failure(ErrorCode::ca_http));
    EXPECT_GE(between(trouble.sends, renewal, renewal + hour), 5) << "it may have been a hiccup";
    EXPECT_LE(between(trouble.sends, renewal, renewal + day), 20);
    for (long passed = 301; passed < 360; ++passed) {
        const TimePoint from = start + passed * day;
        EXPECT_GE(between(trouble.sends, from, from + day), 2) << "never given up, day " << passed;
        EXPECT_LE(between(trouble.sends, from, from + day), 9) << "day " << passed;
    }
    ASSERT_FALSE(trouble.alerts.empty());
    EXPECT_LE(trouble.alerts.front(), renewal + minute + Seconds(1));
    EXPECT_GE(between(trouble.alerts, start + 393 * day, start + 400 * day), 6) << "daily in the last week";
    EXPECT_TRUE(walk.state.current) << "the certificate stays";
}

// Each of them costs a decryption on the token, which somebody may want to watch.
TEST(ServerTrouble, SEC_9_BAD_104_replies_that_do_not_open_are_few_an_hour_and_then_one_a_day) {
    Walk walk;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).published();
    const TimePoint renewal = start + 300 * day;
    walk.due_at(renewal).send();
    const EffectFailed unopened{Error(ErrorCode::scep_decrypt, "the reply does not open"), true};
    const Trouble trouble = until(walk, start + 399 * day, unopened);
    ASSERT_GE(trouble.sends.size(), 100U);
    for (const TimePoint sent : trouble.sends) {
        EXPECT_LE(between(trouble.sends, sent, sent + hour), 7);
    }
    EXPECT_LE(between(trouble.sends, renewal, renewal + 20 * day), 48 + 20) << "the cap, and one a day from then on";
    for (long passed = 321; passed < 360; ++passed) {
        EXPECT_LE(between(trouble.sends, start + passed * day, start + (passed + 1) * day), 1) << "day " << passed;
    }
    ASSERT_FALSE(trouble.alerts.empty());
    EXPECT_LE(trouble.alerts.front(), renewal + minute + Seconds(1));
}

}  // namespace
}  // namespace hwenroll::lifecycle
