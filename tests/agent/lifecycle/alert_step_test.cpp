// Invariant 11: failure is loud. When an identity says so, and how often.
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

/// A year's certificate whose renewal the network keeps from happening since `from`.
Walk& stuck(Walk& walk) {
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).published();
    return walk.due_at(start + 300 * day).on(failure(ErrorCode::token_absent));
}

std::optional<RaiseAlert::Kind> alert(const Walk& walk) {
    for (const Effect& effect : walk.effects) {
        if (const auto* raised = std::get_if<RaiseAlert>(&effect)) {
            return raised->kind;
        }
    }
    return std::nullopt;
}

/// Runs all that is due from now to `end`, with effects that fail, and tells when there was an alert.
std::vector<long> days_of_alerts(Walk& walk, TimePoint end) {
    std::vector<long> days;
    while (true) {
        const auto due = walk.due();
        const TimePoint at = std::max(walk.now, due.value_or(end));
        if (at >= end) {
            return days;
        }
        walk.due_at(at);
        if (alert(walk)) {
            days.push_back((walk.now - start).count() / 86400);
        }
        if (walk.emits<MakeKey>()) {
            walk.on(failure(ErrorCode::token_absent));
        }
        walk.now += Seconds(1);
    }
}

TEST(AlertStep, invariant_11_REN_5_a_minute_after_its_renewal_point_without_success_an_identity_alerts) {
    Walk walk;
    stuck(walk);
    EXPECT_EQ(alert(walk), std::nullopt) << "not while it has only begun";
    walk.due_at(start + 300 * day + Seconds(59));
    EXPECT_EQ(alert(walk), std::nullopt);
    EXPECT_LE(*walk.due(), start + 300 * day + minute);
    walk.due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
    EXPECT_EQ(walk.state.alerted_at, walk.now);
}

TEST(AlertStep, invariant_11_the_alert_comes_again_at_60_days_weekly_and_at_7_days_daily) {
    Walk walk;
    stuck(walk);
    const auto days = days_of_alerts(walk, start + 403 * day);
    EXPECT_EQ(days, (std::vector<long>{300, 340, 347, 354, 361, 368, 375, 382, 389, 393, 394, 395, 396, 397, 398, 399,
                                       400, 401, 402}));
}

TEST(AlertStep, invariant_11_REN_5_an_expired_certificate_alerts_at_its_end) {
    Walk walk;
    stuck(walk).due_at(start + 399 * day + 12 * hour);
    walk.due_at(start + 400 * day);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::expired);
}

TEST(AlertStep, invariant_11_a_hold_alerts_when_it_begins) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_request));
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::held);
}

TEST(AlertStep, O1_invariant_11_a_failed_delivery_alerts_and_daily_again) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).on(GenerationPublished{1});
    walk.on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::delivery);
    walk.due_at(start + day - Seconds(1)).on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    EXPECT_EQ(alert(walk), std::nullopt);
    walk.due_at(start + day);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::delivery);
}

TEST(AlertStep, invariant_11_an_alert_about_a_delivery_does_not_silence_the_one_about_the_renewal) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).on(GenerationPublished{1});
    walk.on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    walk.due_at(walk.state.delivery->next_try).on(Delivered{1});
    EXPECT_EQ(walk.state.alerted_at, std::nullopt) << "a delivery that succeeds ends what was said of it";
    walk.due_at(start + 300 * day).on(failure(ErrorCode::token_absent)).due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, invariant_11_QRY_6_the_delivery_of_a_CRL_has_nobody_told_again_of_what_was_told) {
    Walk walk;
    walk.rules.delivers = true;
    walk.rules.authority.crls = {{{0x31}, {}, {0xC1}}};
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).published().on(Delivered{1});
    walk.due_at(start + 300 * day).on(failure(ErrorCode::token_absent)).due_at(start + 300 * day + minute);
    ASSERT_EQ(alert(walk), RaiseAlert::Kind::overdue);
    const auto told = walk.state.alerted_at;
    walk.rules.authority.crls = {{{0x31}, {}, {0xC2}}};
    ASSERT_TRUE(walk.on(Due{}).emits<PublishGeneration>());
    walk.on(GenerationPublished{2});
    ASSERT_TRUE(walk.emits<Deliver>());
    walk.on(Delivered{2});
    EXPECT_EQ(walk.state.alerted_at, told);
    EXPECT_EQ(alert(walk), std::nullopt);
}

TEST(AlertStep, invariant_11_what_becomes_overdue_says_so_although_its_delivery_already_alerts) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 400 * day)}).on(GenerationPublished{1});
    walk.at(start + 300 * day - hour).on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    ASSERT_EQ(alert(walk), RaiseAlert::Kind::delivery);
    walk.due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, invariant_11_a_certificate_that_cannot_be_published_alerts) {
    Walk walk;
    stuck(walk).due_at(walk.state.wait.until).send().on(CertificateIssued{certificate(0x33, walk.now, 400 * day)});
    ASSERT_TRUE(walk.emits<PublishGeneration>());
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")}).due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, a_certificate_that_waits_for_its_window_does_not_alert) {
    Walk walk;
    walk.rules.activation = {start + 310 * day, {90, {}}};
    stuck(walk).due_at(walk.state.wait.until).send().on(CertificateIssued{certificate(0x33, walk.now, 400 * day)});
    walk.due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), std::nullopt);
    EXPECT_EQ(walk.due(), start + 310 * day);
}

TEST(AlertStep, a_success_ends_the_alert) {
    Walk walk;
    stuck(walk).due_at(start + 300 * day + minute);
    ASSERT_TRUE(walk.state.alerted_at);
    walk.due_at(std::max(walk.now, walk.state.wait.until)).send();
    walk.on(CertificateIssued{certificate(0x33, walk.now, 400 * day)}).published();
    EXPECT_EQ(walk.state.alerted_at, std::nullopt);
    EXPECT_EQ(walk.due(), start + 301 * day + minute) << "only the old key is left to do";
}

TEST(AlertStep, a_ready_shadow_is_no_reason_to_alert_nor_is_the_second_of_the_switch) {
    Walk walk;
    walk.to_shadow().due_at(start + 23 * hour);
    EXPECT_EQ(alert(walk), std::nullopt);
    walk.rules.authority = ca_after_switch(start + day);
    walk.due_at(start + day);
    EXPECT_EQ(alert(walk), std::nullopt);
    walk.published();
    EXPECT_EQ(alert(walk), std::nullopt);
}

TEST(AlertStep, invariant_11_a_capped_certificate_without_successor_alerts) {
    Walk walk;
    walk.rules.authority = ca_until(start + day);
    walk.to_valid().due_at(start + 18 * hour).on(SuccessorSought{}).due_at(start + 18 * hour + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, K11_a_certificate_of_a_minute_alerts_after_a_second) {
    Walk walk;
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, Seconds(60))}).published();
    walk.due_at(start + Seconds(45)).on(failure(ErrorCode::token_absent));
    EXPECT_EQ(alert(walk), std::nullopt);
    walk.due_at(start + Seconds(46));
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, K3_a_clock_that_went_back_does_not_silence_alerts) {
    Walk walk;
    stuck(walk);
    walk.state.alerted_at = start + 4000 * day;
    walk.due_at(start + 300 * day + minute);
    EXPECT_EQ(alert(walk), RaiseAlert::Kind::overdue);
}

TEST(AlertStep, invariant_11_a_shadow_that_waits_for_its_ca_is_no_reason_to_look_every_minute) {
    Walk walk;
    walk.to_shadow().due_at(start + 23 * hour);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.due(), start + day);
}

TEST(AlertStep, invariant_11_an_expiry_that_was_told_is_due_no_more) {
    Walk walk;
    walk.to_valid().due_at(start + 2 * day).on(failure(ErrorCode::token_absent));
    ASSERT_EQ(walk.state.alerted_at, start + 2 * day);
    EXPECT_EQ(walk.due(), walk.state.wait.until);
}

}  // namespace
}  // namespace hwenroll::lifecycle
