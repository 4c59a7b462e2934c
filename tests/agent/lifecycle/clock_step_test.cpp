// What a clock that is not trusted blocks, and what it does not; and clocks that went back (K1 to K3).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

IssuedRecord renewed() {
    return certificate(0x33, start + 18 * hour, day);
}

TEST(ClockStep, K1_an_untrusted_clock_destroys_no_key_and_does_not_spin_over_it) {
    Walk walk;
    walk.rules.retire_after = hour;
    walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
    walk.rules.clock_trusted = false;
    walk.due_at(start + 20 * hour);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.clock_trusted = true;
    EXPECT_LE(walk.due(), walk.now);
    EXPECT_TRUE(walk.on(Due{}).only<DestroyKey>());
}

TEST(ClockStep, K1_an_untrusted_clock_takes_no_working_certificate_from_consumers) {
    Walk walk;
    walk.to_renewal_sent();
    walk.rules.clock_trusted = false;
    walk.on(CertificateIssued{renewed()});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::clock) << "invariant 8: it is visible";
    walk.rules.clock_trusted = true;
    EXPECT_TRUE(walk.on(Due{}).only<PublishGeneration>());
}

TEST(ClockStep, K1_an_untrusted_clock_does_not_switch_to_a_shadow_and_enrolls_nothing_instead) {
    Walk walk;
    walk.to_shadow();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_after_switch(start + day);
    walk.due_at(start + day);
    EXPECT_TRUE(walk.state.shadow);
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_FALSE(walk.emits<PublishGeneration>());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.clock_trusted = true;
    EXPECT_TRUE(walk.on(Due{}).emits<PublishGeneration>());
}

TEST(ClockStep, K1_an_untrusted_clock_takes_no_anchor_away_but_adds_one) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish().published();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.on(Due{});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.due(), walk.now);
    walk.rules.authority = ca_with_successor(start + 10 * day, next_successor);
    walk.on(Due{});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, next_successor, successor}));
}

TEST(ClockStep, K1_a_new_certificate_under_an_untrusted_clock_keeps_the_anchors_that_are_shown) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish().published().due_at(start + 18 * hour).send();
    walk.rules.clock_trusted = false;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.on(CertificateIssued{renewed()});
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, successor}));
}

TEST(ClockStep, K1_an_untrusted_clock_publishes_a_first_certificate_and_tells_consumers) {
    Walk walk;
    walk.rules.clock_trusted = false;
    walk.rules.delivers = true;
    EXPECT_TRUE(walk.to_publish().only<PublishGeneration>());
    EXPECT_TRUE(walk.on(GenerationPublished{1}).only<Deliver>());
}

TEST(ClockStep, K1_an_untrusted_clock_repairs_what_consumers_see) {
    Walk walk;
    walk.to_valid().rules.clock_trusted = false;
    EXPECT_TRUE(walk.on(Started{1, 1, false}).only<PublishGeneration>());
}

TEST(ClockStep, K1_K10_an_untrusted_clock_renews_polls_and_alerts) {
    Walk walk;
    walk.rules.clock_trusted = false;
    walk.to_valid().due_at(start + 18 * hour);
    EXPECT_TRUE(walk.only<MakeKey>());
    walk.send().on(RequestPending{}).due_at(start + 19 * hour);
    EXPECT_TRUE(walk.emits<SendPoll>());
    EXPECT_TRUE(walk.emits<RaiseAlert>());
}

TEST(ClockStep, K1_SM_11_an_untrusted_clock_gives_no_undecided_request_up) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    const scep::TransactionId asked = walk.state.enrollment->transaction->id;
    walk.rules.clock_trusted = false;
    walk.due_at(start + 4000 * day);
    EXPECT_TRUE(walk.emits<SendPoll>());
    ASSERT_TRUE(walk.state.enrollment && walk.state.enrollment->transaction);
    EXPECT_EQ(walk.state.enrollment->transaction->id, asked) << "invariant 4";
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_lengthen_a_backoff_or_a_poll) {
    for (const bool pending : {false, true}) {
        Walk walk;
        walk.to_sent();
        walk.at(start + 4000 * day);
        if (pending) {
            walk.on(RequestPending{});
        } else {
            walk.on(failure(ErrorCode::ca_timeout));
        }
        walk.due_at(start);
        ASSERT_LE(walk.due(), start + day);
        walk.due_at(*walk.due());
        EXPECT_EQ(walk.effects.size(), 1U);
    }
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_lengthen_a_hold) {
    Walk walk;
    walk.to_sent().at(start + 4000 * day).on(rejected(scep::FailInfo::bad_request)).due_at(start);
    ASSERT_LE(walk.due(), start + day);
    EXPECT_TRUE(walk.due_at(walk.state.wait.until).emits<PrepareRequest>());
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_put_a_publication_or_a_delivery_off) {
    Walk publishing;
    publishing.to_publish().at(start + 4000 * day).on(PublicationFailed{Error(ErrorCode::publish_write, "full")});
    publishing.due_at(start);
    EXPECT_LE(publishing.due(), start + day);
    Walk delivering;
    delivering.rules.delivers = true;
    delivering.to_valid().at(start + 4000 * day).on(Delivered{1, Error(ErrorCode::internal, "exit 1")});
    delivering.due_at(start);
    EXPECT_LE(delivering.state.delivery->next_try, start + hour);
}

TEST(ClockStep, K3_a_clock_that_went_back_does_not_keep_a_retired_key_for_years) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
    walk.state.retired.at(0).destroy_at = start + 4000 * day;
    walk.on(Due{});
    EXPECT_EQ(walk.state.retired.at(0).destroy_at, walk.now + day);
}

TEST(ClockStep, K3_SM_11_a_clock_that_went_back_does_not_keep_an_undecided_request_for_years) {
    Walk walk;
    walk.to_submit().at(start + 4000 * day).on(RequestPrepared{prepared()}).on(RequestPending{}).due_at(start);
    walk.due_at(start + 8 * day);
    EXPECT_TRUE(walk.emits<PrepareRequest>());
}

TEST(ClockStep, K2_a_step_forward_deletes_nothing) {
    Walk walk;
    walk.to_shadow();
    const IdentityState before = walk.state;
    walk.rules.clock_trusted = false;
    walk.due_at(start + 4000 * day);
    EXPECT_EQ(walk.state.shadow, before.shadow);
    EXPECT_EQ(walk.state.current, before.current);
    EXPECT_EQ(walk.state.retired, before.retired);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    EXPECT_FALSE(walk.emits<PublishGeneration>());
}

TEST(ClockStep, K3_a_backoff_that_a_clock_hours_ahead_began_ends) {
    Walk walk;
    walk.to_sent().at(start + 5 * hour).on(failure(ErrorCode::ca_timeout)).due_at(start + hour);
    EXPECT_TRUE(walk.emits<SendRequest>());
    EXPECT_LE(walk.state.failure->at, walk.now) << "what has not been seen yet has not happened";
}

TEST(ClockStep, K3_a_backoff_of_the_right_clock_lasts) {
    Walk walk;
    walk.to_sent().on(failure(ErrorCode::ca_timeout)).due_at(start + Seconds(1));
    EXPECT_TRUE(walk.effects.empty());
}

TEST(ClockStep, K1_K2_an_untrusted_clock_shortens_no_wait) {
    Walk walk;
    walk.to_sent().on(rejected(scep::FailInfo::bad_request));
    const Wait wait = walk.state.wait;
    walk.rules.clock_trusted = false;
    walk.at(start - 20000 * day).on(Started{});
    EXPECT_TRUE(walk.effects.empty()) << "each start in 1970 would send one more message over the cap";
    EXPECT_EQ(walk.state.wait, wait);
    EXPECT_EQ(walk.due(), wait.until);
}

TEST(ClockStep, K1_an_untrusted_clock_does_not_say_when_a_replaced_key_may_go) {
    Walk walk;
    walk.to_renewal_sent().rules.delivers = true;
    walk.on(CertificateIssued{renewed()}).published();
    const Bytes old = walk.state.retired.at(0).key.id;
    walk.rules.clock_trusted = false;
    walk.at(start - 20000 * day).on(Delivered{walk.state.current->generation});
    EXPECT_FALSE(walk.state.delivery);
    EXPECT_FALSE(walk.retired(old)->destroy_at);
    walk.rules.clock_trusted = true;
    EXPECT_LE(walk.due(), start) << "it is looked at as soon as the clock is trusted";
    walk.due_at(start + 19 * hour);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    EXPECT_EQ(walk.retired(old)->destroy_at, walk.now + walk.rules.retire_after);
}

TEST(ClockStep, K10_C9_a_publication_that_a_clock_ahead_wrote_down_does_not_put_the_renewal_off) {
    Walk walk;
    walk.to_valid().state.current->published_at = start + 4000 * day;
    walk.due_at(start + hour);
    EXPECT_EQ(walk.state.current->published_at, start + hour);
    EXPECT_EQ(renewal_time(walk.state, walk.rules), start + 18 * hour);
}

/// Consumers see a certificate that is valid in a day only.
Walk misled() {
    Walk walk;
    walk.to_valid().state.current->issued = certificate(0x30, start + day, day);
    return walk;
}

TEST(ClockStep, K10_consumers_are_led_back_from_a_certificate_that_is_not_valid_yet) {
    Walk walk = misled();
    walk.due_at(start + hour);
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    walk.send().on(CertificateIssued{certificate(0x33, start + hour, day)});
    EXPECT_TRUE(walk.only<PublishGeneration>()) << "though it ends earlier (invariant 3)";
}

TEST(ClockStep, K10_invariant_3_what_leads_back_is_published_though_the_other_one_is_valid_by_then) {
    Walk walk = misled();
    walk.due_at(start + hour).send().on(CertificateIssued{certificate(0x33, start + hour, day)});
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")}).due_at(start + day + hour);
    EXPECT_TRUE(walk.only<PublishGeneration>()) << "consumers may see it already";
}

TEST(ClockStep, K10_invariant_1_what_leads_back_waits_for_no_window) {
    Walk walk = misled();
    walk.rules.activation = {start + 20 * hour, {100, {}}};
    walk.due_at(start + hour).send().on(CertificateIssued{certificate(0x33, start + hour, day)});
    EXPECT_TRUE(walk.only<PublishGeneration>()) << "nobody can use the other one";
}

TEST(ClockStep, K10_a_certificate_that_is_not_valid_for_minutes_yet_is_left_alone) {
    Walk walk;
    walk.to_valid().state.current->issued = certificate(0x30, start + Seconds(300), day);
    EXPECT_TRUE(walk.on(Due{}).effects.empty()) << "clocks differ by that much";
}

TEST(ClockStep, K1_an_untrusted_clock_takes_no_certificate_for_one_that_is_not_valid_yet) {
    Walk walk = misled();
    walk.rules.clock_trusted = false;
    walk.due_at(start + hour);
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(ClockStep, K10_consumers_are_led_back_though_what_waits_to_be_published_is_not_valid_yet_either) {
    Walk walk = misled();
    walk.at(start + hour).on(EnrollmentWanted{}).send();
    walk.rules.clock_trusted = false;
    walk.on(CertificateIssued{certificate(0x33, start + day, 2 * day)});
    ASSERT_TRUE(walk.state.next);
    const Bytes queued = walk.state.next->key.id;
    walk.rules.clock_trusted = true;
    walk.on(Due{});
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    walk.send().on(CertificateIssued{certificate(0x34, start + hour, day)});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_TRUE(walk.retired(queued));
}

/// A clock ahead has led to the successor's certificate, which begins a day after the current one's end.
Walk with_gap(Bytes in_office) {
    Walk walk;
    walk.to_valid();
    Credential waiting = *walk.state.current;
    waiting.key = {{0x77}, {0x78}};
    waiting.issued = certificate(0x33, start + 2 * day, 30 * day, successor);
    waiting.generation = ++walk.state.last_generation;
    walk.state.next = waiting;
    walk.rules.authority = ca_with_successor(start + 2 * day);
    if (in_office == successor) {
        walk.rules.authority = ca_after_switch(start + 2 * day);
    }
    // The anchors of today come first.
    walk.due_at(start + hour);
    const auto effect = walk.effect<PublishGeneration>();
    return walk.on(GenerationPublished{effect.generation, effect.beside}).on(Delivered{});
}

TEST(ClockStep, K10_a_renewal_comes_before_what_begins_after_the_current_ones_end) {
    Walk walk = with_gap(anchor);
    walk.due_at(start + 17 * hour);
    EXPECT_TRUE(walk.effects.empty()) << "not before the renewal point";
    EXPECT_EQ(next_due(walk.state, walk.rules), start + 18 * hour);
    walk.due_at(start + 18 * hour);
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    walk.send().on(CertificateIssued{certificate(0x34, start + 18 * hour, day)});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_TRUE(walk.retired({0x77})) << "the key of what waited is not forgotten (invariant 9)";
}

TEST(ClockStep, K10_a_ca_that_was_left_too_early_is_asked_again_before_the_current_one_ends) {
    Walk walk = with_gap(successor);
    walk.due_at(start + 18 * hour);
    ASSERT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment) << "the CA in office does not know the current certificate's CA";
}

TEST(ClockStep, K10_invariant_5_a_ca_that_gives_nothing_earlier_is_not_asked_without_end) {
    Walk walk = with_gap(successor);
    walk.rules.hold_retry = hour;
    walk.due_at(start + 18 * hour);
    std::uint32_t issued = 0;
    for (; walk.emits<MakeKey>() && issued < 10; ++issued) {
        walk.send().on(CertificateIssued{certificate(0x40, start + 2 * day, 30 * day, successor)}).on(Due{});
    }
    EXPECT_EQ(issued, walk.rules.max_certificates);
    EXPECT_EQ(walk.due(), start + 18 * hour + minute) << "the alarm that it is overdue";
    EXPECT_FALSE(walk.due_at(start + 19 * hour - minute).emits<MakeKey>());
    EXPECT_TRUE(walk.due_at(start + 19 * hour).emits<MakeKey>());
}

TEST(ClockStep, K10_invariant_5_a_ca_whose_clock_is_ahead_is_not_asked_without_end) {
    Walk walk = misled();
    walk.due_at(start + hour);
    std::uint32_t issued = 0;
    for (; walk.emits<MakeKey>() && issued < 10; ++issued) {
        walk.send().on(CertificateIssued{certificate(0x33, start + day + minute, day)}).on(Due{});
    }
    EXPECT_EQ(issued, walk.rules.max_certificates);
    walk.state.seek_after = walk.now + minute;
    EXPECT_FALSE(walk.on(Due{}).emits<MakeKey>());
    EXPECT_TRUE(walk.at(walk.now + minute).on(Due{}).emits<MakeKey>()) << "one a day";
    walk.state.enrollment.reset();
    EXPECT_TRUE(walk.due_at(start + day + minute).emits<PublishGeneration>()) << "its time has come";
}

TEST(ClockStep, K10_REN_2_the_ca_that_is_in_office_again_is_asked_by_its_certificate) {
    Walk walk = with_gap(successor);
    walk.due_at(start + 18 * hour);
    ASSERT_EQ(walk.purpose(), Purpose::reenrollment);
    walk.rules.authority = ca_with_successor(start + 2 * day);
    walk.on(KeyReady{{8}});
    EXPECT_EQ(walk.effect<PrepareRequest>().purpose, Purpose::renewal) << "which needs no challenge";
}

TEST(ClockStep, K10_what_its_ca_s_end_caps_is_not_renewed_before_the_successor_s_certificate) {
    Walk walk = with_gap(anchor);
    walk.rules.authority = ca_with_successor(start + day);
    walk.on(Due{}).published().due_at(start + 18 * hour);
    EXPECT_FALSE(walk.state.enrollment) << "its CA could not better it";
}

TEST(ClockStep, X7_invariant_5_what_cannot_be_published_after_the_end_is_not_issued_again) {
    Walk walk = with_gap(successor);
    walk.state.next->issued = certificate(0x33, start + 2 * day, 30 * day, successor);
    walk.due_at(start + 2 * day);
    ASSERT_TRUE(walk.emits<PublishGeneration>());
    for (int i = 0; i < 3; ++i) {
        walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
        EXPECT_FALSE(walk.emits<MakeKey>());
        walk.due_at(walk.state.publish_after);
        EXPECT_TRUE(walk.emits<PublishGeneration>());
    }
}

TEST(ClockStep, K10_invariant_11_what_waits_and_leaves_a_gap_does_not_silence_the_alarm) {
    Walk walk = with_gap(anchor);
    walk.due_at(start + 18 * hour).on(failure(ErrorCode::ca_unreachable));
    walk.due_at(start + 19 * hour);
    EXPECT_TRUE(std::ranges::any_of(walk.effects, [](const Effect& effect) {
        const auto* alert = std::get_if<RaiseAlert>(&effect);
        return alert != nullptr && alert->kind == RaiseAlert::Kind::overdue;
    }));
}

}  // namespace
}  // namespace hwenroll::lifecycle
