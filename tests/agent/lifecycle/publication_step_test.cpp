// The rows of the identity machine after a certificate was issued: publication, delivery, retirement of keys, the
// activation window and the overlap of anchors (X8 to X11, O1, C19, design, "Retirement").
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

IssuedRecord renewed() {
    return certificate(0x33, start + 18 * hour, day);
}

Delivered undelivered(std::uint64_t generation) {
    return {generation, Error(ErrorCode::internal, "the hook exited 1")};
}

Walk& to_renewed(Walk& walk) {
    return walk.to_renewal_sent().on(CertificateIssued{renewed()}).published();
}

TEST(PublicationStep, X8_consumers_are_told_of_a_published_generation) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid();
    ASSERT_TRUE(walk.only<Deliver>());
    EXPECT_EQ(walk.effect<Deliver>().generation, 1U);
    EXPECT_TRUE(walk.state.delivery);
    walk.on(Delivered{1});
    EXPECT_FALSE(walk.state.delivery);
    EXPECT_TRUE(walk.effects.empty());
}

/// A look at the files of a process that runs: generation 4 is the highest, and they are not what was published.
Started looked() {
    Started event{4, 1, false};
    event.fresh = false;
    return event;
}

TEST(PublicationStep, F6_what_somebody_else_changed_is_published_again_and_nothing_is_issued_for_it) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().on(Delivered{1});
    const Credential before = *walk.state.current;
    walk.on(looked());
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.effect<PublishGeneration>().generation, 5U);
    EXPECT_FALSE(walk.state.enrollment);
    walk.on(GenerationPublished{5});
    EXPECT_EQ(walk.state.current->issued, before.issued);
    EXPECT_TRUE(walk.only<Deliver>()) << "consumers read it anew";
}

TEST(PublicationStep, F6_a_look_at_the_files_ends_no_backoff) {
    Walk walk;
    walk.to_renewal_sent().on(failure(ErrorCode::ca_timeout));
    const Wait before = walk.state.wait;
    walk.on(looked()).published();
    EXPECT_EQ(walk.state.wait, before);
    EXPECT_FALSE(walk.emits<SendRequest>());
    EXPECT_EQ(walk.state.current->generation, 5U);
}

TEST(PublicationStep, X9_a_restart_tells_consumers_once_more) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().on(Started{1, 1, true});
    EXPECT_TRUE(walk.only<Deliver>());
}

TEST(PublicationStep, O1_a_failed_delivery_is_repeated_from_a_minute_to_an_hour_and_the_certificate_stays) {
    Walk walk;
    walk.rules.delivers = true;
    walk.rules.renew_at = {99, {}};
    walk.to_sent().on(CertificateIssued{certificate(0x30, start, 365 * day)}).on(GenerationPublished{1});
    std::vector<long> waits;
    for (int i = 0; i < 9; ++i) {
        walk.on(undelivered(1));
        waits.push_back((walk.state.delivery->next_try - walk.now).count());
        walk.due_at(walk.state.delivery->next_try);
        ASSERT_TRUE(walk.emits<Deliver>());
    }
    EXPECT_EQ(waits, (std::vector<long>{30, 60, 120, 240, 480, 960, 1800, 1800, 1800}));
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(PublicationStep, the_outcome_of_another_generation_s_delivery_is_nothing) {
    Walk walk;
    walk.rules.delivers = true;
    const IdentityState before = walk.to_valid().state;
    EXPECT_EQ(walk.on(Delivered{7}).state, before);
    EXPECT_EQ(walk.on(undelivered(7)).state, before);
}

TEST(PublicationStep, CERT_11_a_replaced_key_is_kept_until_consumers_were_told_and_then_for_its_time) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_valid().on(Delivered{1}).due_at(start + 18 * hour).send();
    const Bytes old = walk.state.current->key.id;
    walk.on(CertificateIssued{renewed()}).published();
    ASSERT_TRUE(walk.retired(old));
    EXPECT_EQ(walk.retired(old)->destroy_at, std::nullopt);
    walk.on(undelivered(2)).due_at(start + 30 * hour);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    walk.on(Delivered{2});
    EXPECT_EQ(walk.retired(old)->destroy_at, start + 54 * hour);
}

TEST(PublicationStep, a_replaced_key_without_consumers_is_destroyed_when_its_time_is_over) {
    Walk walk;
    walk.rules.retire_after = hour;
    to_renewed(walk);
    const Bytes old = walk.state.retired.at(0).key.id;
    walk.due_at(start + 19 * hour - Seconds(1));
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(walk.due(), start + 19 * hour);
    walk.due_at(start + 19 * hour);
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, old);
    walk.on(KeyDestroyed{old});
    EXPECT_TRUE(walk.state.retired.empty());
}

TEST(PublicationStep, F3_a_replaced_key_is_destroyed_on_the_token_that_made_it) {
    Walk walk;
    walk.rules.retire_after = hour;
    walk.to_key().on(KeyReady{{7}, {}, {}, "lab"}).on(RequestPrepared{prepared()}).on(CertificateIssued{issued()});
    walk.on(GenerationPublished{1});
    walk.due_at(start + 18 * hour).on(KeyReady{{8}, {}, {}, "tpm"}).send();
    walk.on(CertificateIssued{renewed()}).published();
    EXPECT_EQ(walk.state.current->key.token, "tpm");
    ASSERT_EQ(walk.state.retired.size(), 1U);
    walk.due_at(start + 19 * hour);
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().token, "lab");
}

TEST(PublicationStep, X11_a_key_that_could_not_be_destroyed_is_tried_again_later) {
    Walk walk;
    walk.rules.retire_after = hour;
    to_renewed(walk).due_at(start + 19 * hour);
    const Bytes old = walk.effect<DestroyKey>().key_id;
    walk.on(KeyDestroyed{old, Error(ErrorCode::token_absent, "gone")});
    EXPECT_TRUE(walk.effects.empty());
    ASSERT_TRUE(walk.retired(old));
    EXPECT_GT(*walk.retired(old)->destroy_at, walk.now);
    EXPECT_TRUE(walk.due_at(*walk.retired(old)->destroy_at).only<DestroyKey>());
}

TEST(PublicationStep, X11_a_restart_goes_on_with_the_destroying) {
    Walk walk;
    walk.rules.retire_after = hour;
    to_renewed(walk).due_at(start + 19 * hour);
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_TRUE(walk.on(Started{2, 2, true}).only<DestroyKey>());
}

TEST(PublicationStep, a_key_that_was_not_ours_is_never_retired) {
    Walk walk;
    walk.to_key().on(KeyReady{{7}, {0x9a}}).on(RequestPrepared{prepared()}).on(CertificateIssued{issued()});
    walk.published().due_at(start + 18 * hour).send().on(CertificateIssued{renewed()}).published();
    ASSERT_NE(walk.state.current->key.id, Bytes{0x9a});
    EXPECT_TRUE(walk.state.retired.empty());
}

TEST(PublicationStep, a_retired_key_that_the_configuration_names_is_kept) {
    Walk walk;
    to_renewed(walk);
    const Bytes old = walk.state.retired.at(0).key.id;
    walk.due_at(start + 36 * hour).on(KeyReady{{7}, old});
    EXPECT_TRUE(walk.state.retired.empty()) << "it is somebody else's from now on";
}

TEST(PublicationStep, REN_3_TOK_10_the_key_that_a_pending_renewal_is_answered_to_is_not_destroyed) {
    Walk walk;
    to_renewed(walk);
    const Bytes old = walk.state.retired.at(0).key.id;
    walk.due_at(start + 36 * hour).send();
    walk.state.enrollment->transaction->signer_key = walk.state.retired.at(0).key;
    walk.on(RequestPending{}).at(start + 43 * hour).on(Due{});
    EXPECT_FALSE(walk.emits<DestroyKey>());
    for (int i = 0; i < 3; ++i) {
        walk.on(RequestPending{}).due_at(std::max(walk.now, walk.state.wait.until));
        EXPECT_FALSE(walk.emits<DestroyKey>());
    }
    EXPECT_TRUE(walk.retired(old));
}

TEST(PublicationStep, activate_window_delays_a_renewed_generation_until_it_opens) {
    Walk walk;
    walk.rules.activation = {start + 20 * hour, {90, {}}};
    walk.to_renewal_sent().on(CertificateIssued{renewed()});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_EQ(attempt_phase(walk.state), Phase::need_publish);
    EXPECT_EQ(walk.due(), start + 20 * hour);
    EXPECT_TRUE(walk.due_at(start + 20 * hour - Seconds(1)).effects.empty());
    EXPECT_TRUE(walk.due_at(start + 20 * hour).only<PublishGeneration>());
}

TEST(PublicationStep, activate_by_is_the_latest) {
    Walk walk;
    walk.rules.activation = {start + 48 * hour, {90, {}}};
    walk.to_renewal_sent().on(CertificateIssued{renewed()});
    EXPECT_EQ(walk.due(), start + Seconds(77760)) << "nine tenths of a day";
    EXPECT_TRUE(walk.due_at(start + Seconds(77760)).only<PublishGeneration>());
}

TEST(PublicationStep, activate_window_does_not_delay_a_first_certificate) {
    Walk walk;
    walk.rules.activation = {start + 20 * hour, {90, {}}};
    EXPECT_TRUE(walk.to_publish().only<PublishGeneration>());
}

TEST(PublicationStep, SM_18_activate_window_does_not_keep_a_revoked_certificate) {
    Walk walk;
    walk.rules.activation = {start + 20 * hour, {90, {}}};
    walk.to_renewal_sent().on(CertificateIssued{renewed()}).on(CertificateRevoked{});
    EXPECT_TRUE(walk.emits<PublishGeneration>());
}

/// The CRL of the CA that issued every certificate of these tests, and of another one.
AuthorityFacts with_crl(const Bytes& digest) {
    AuthorityFacts facts = ca_until(start + 10 * day);
    facts.crls = {{{0x99}, {}, {0xEE}}, {{0x31}, {0x5C}, {0xEF}}, {{0x31}, {}, digest}};
    return facts;
}

TEST(PublicationStep, QRY_6_a_new_CRL_is_published_in_a_generation_of_its_own_and_consumers_are_told) {
    Walk walk;
    walk.rules.delivers = true;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_valid().on(Delivered{1});
    walk.rules.authority = with_crl({0xC1});
    EXPECT_EQ(walk.due(), TimePoint{});
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    EXPECT_EQ(walk.note, "a new CRL is published");
    EXPECT_EQ(walk.state.next->crl, (Bytes{0xC1}));
    EXPECT_FALSE(walk.state.enrollment) << "nothing is asked of the CA";
    const auto counters = walk.state.counters;
    EXPECT_TRUE(walk.on(GenerationPublished{2}).only<Deliver>());
    EXPECT_EQ(walk.state.current->issued, issued());
    EXPECT_EQ(walk.state.current->published_at, start);
    EXPECT_EQ(walk.state.counters, counters);
    EXPECT_TRUE(walk.state.retired.empty());
    walk.on(Delivered{2});
    EXPECT_TRUE(walk.on(Due{}).effects.empty()) << "once for each CRL";
}

TEST(PublicationStep, QRY_6_a_new_certificate_comes_with_the_CRL_of_its_issuer) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish();
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->crl, (Bytes{0xC1}));
    EXPECT_TRUE(walk.published().effects.empty()) << "in its first generation";
}

TEST(PublicationStep, QRY_6_a_CRL_that_is_not_known_now_stays_published_and_one_that_is_off_goes) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published();
    walk.rules.authority.crls.clear();
    EXPECT_TRUE(walk.on(Due{}).effects.empty());
    EXPECT_EQ(walk.state.current->crl, (Bytes{0xC1}));
    walk.rules.authority.publishes_crls = false;
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    EXPECT_TRUE(walk.published().state.current->crl.empty());
    EXPECT_EQ(walk.note, "generation 2 published");
}

TEST(PublicationStep, QRY_6_a_certificate_that_follows_under_another_issuer_does_not_take_the_CRL_along) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published();
    IssuedRecord other = renewed();
    other.chain = {{0x77}};
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{other});
    EXPECT_TRUE(walk.published().state.current->crl.empty());
}

TEST(PublicationStep, QRY_6_a_renewed_certificate_takes_the_CRL_along_that_is_not_at_hand_now) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published();
    walk.rules.authority.crls.clear();
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{renewed()});
    EXPECT_EQ(walk.published().state.current->issued, renewed());
    EXPECT_EQ(walk.state.current->crl, (Bytes{0xC1}));
}

TEST(PublicationStep, QRY_6_a_certificate_comes_with_the_CRL_of_its_own_distribution_points) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    IssuedRecord partitioned = issued();
    partitioned.crl_scope = {0x5C};
    walk.to_sent().on(CertificateIssued{partitioned});
    EXPECT_EQ(walk.published().state.current->crl, (Bytes{0xEF}));
    walk.rules.authority = with_crl({0xC2});
    EXPECT_TRUE(walk.on(Due{}).effects.empty()) << "the other list is not its own";
}

/// A renewed certificate waits for its window, the current one is published as generation 1 with CRL C1.
Walk waiting_for_its_window() {
    Walk walk;
    walk.rules.delivers = true;
    walk.rules.authority = with_crl({0xC1});
    walk.rules.activation = {start + 20 * hour, {90, {}}};
    walk.to_publish().published().on(Delivered{1});
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{renewed()});
    EXPECT_TRUE(walk.effects.empty());
    return walk;
}

TEST(PublicationStep, QRY_6_a_newer_CRL_is_published_while_a_renewed_certificate_waits_for_its_window) {
    Walk walk = waiting_for_its_window();
    const Wait waits = walk.state.wait;
    walk.rules.authority = with_crl({0xC2});
    EXPECT_EQ(walk.due(), TimePoint{});
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    const PublishGeneration effect = walk.effect<PublishGeneration>();
    EXPECT_EQ(effect.beside->crl, (Bytes{0xC2}));
    EXPECT_LT(effect.generation, walk.state.next->generation) << "the window's generation follows";
    EXPECT_TRUE(walk.on(GenerationPublished{effect.generation, effect.beside}).only<Deliver>());
    EXPECT_EQ(walk.state.current->issued, issued()) << "no certificate comes before its window";
    EXPECT_EQ(walk.state.current->crl, (Bytes{0xC2}));
    EXPECT_EQ(walk.state.current->generation, effect.generation);
    EXPECT_EQ(walk.state.next->issued, renewed());
    EXPECT_EQ(walk.state.wait, waits);
    EXPECT_TRUE(walk.on(Delivered{effect.generation}).effects.empty()) << "once for each CRL";
    EXPECT_EQ(walk.due(), start + 20 * hour);
}

TEST(PublicationStep, QRY_6_a_certificate_that_has_waited_for_its_window_takes_the_newest_CRL) {
    Walk walk = waiting_for_its_window();
    const std::uint64_t queued = walk.state.next->generation;
    EXPECT_EQ(walk.state.next->crl, (Bytes{0xC1}));
    walk.rules.authority = with_crl({0xC2});
    ASSERT_TRUE(walk.due_at(start + 20 * hour).only<PublishGeneration>());
    EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
    EXPECT_GT(walk.state.next->generation, queued) << "consumers may see the queued one already, with the older list";
    EXPECT_EQ(walk.published().state.current->issued, renewed());
    EXPECT_EQ(walk.state.current->crl, (Bytes{0xC2}));
}

TEST(PublicationStep, QRY_6_S1_a_newer_CRL_that_cannot_be_published_is_tried_later_and_the_window_opens_all_the_same) {
    Walk walk = waiting_for_its_window();
    walk.rules.authority = with_crl({0xC2});
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    EXPECT_TRUE(walk.effects.empty());
    const TimePoint again = walk.state.publish_after;
    EXPECT_GT(again, walk.now);
    EXPECT_LE(again, start + 20 * hour);
    EXPECT_TRUE(walk.on(Due{}).effects.empty()) << "not at once";
    ASSERT_TRUE(walk.due_at(again).emits<PublishGeneration>());
    EXPECT_TRUE(walk.effect<PublishGeneration>().beside);
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    ASSERT_TRUE(walk.due_at(std::max(walk.state.publish_after, start + 20 * hour)).emits<PublishGeneration>());
    EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
    EXPECT_EQ(walk.published().state.current->issued, renewed());
}

/// The window opened, and the process was killed when consumers had been led to the renewed certificate but before that
/// was recorded. Then the window closed again, and its CA published another CRL.
Walk killed_behind_the_switch() {
    Walk walk = waiting_for_its_window();
    walk.due_at(start + 20 * hour);
    EXPECT_TRUE(walk.only<PublishGeneration>());
    walk.rules.authority = with_crl({0xC2});
    walk.rules.activation = {start + 44 * hour, {100, {}}};
    return walk.at(start + 20 * hour + minute);
}

TEST(PublicationStep, invariant_3_S7_what_consumers_see_already_is_current_whatever_clock_and_window_say) {
    for (const bool trusted : {true, false}) {
        Walk walk = killed_behind_the_switch();
        walk.rules.clock_trusted = trusted;
        const std::uint64_t seen = walk.state.next->generation;
        walk.on(Started{seen, seen, true, true, true});
        EXPECT_EQ(walk.state.current->issued, renewed());
        ASSERT_TRUE(walk.only<PublishGeneration>()) << "the newer list goes beside it";
        EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
        EXPECT_EQ(walk.state.next->issued, renewed());
        EXPECT_GT(walk.effect<PublishGeneration>().generation, seen);
        EXPECT_EQ(walk.published().state.current->crl, (Bytes{0xC2}));
        EXPECT_TRUE(walk.only<Deliver>());
    }
}

TEST(PublicationStep, invariant_3_S7_what_consumers_see_damaged_or_under_another_number_is_published_again_at_once) {
    Walk walk = killed_behind_the_switch();
    walk.rules.clock_trusted = false;
    const std::uint64_t seen = walk.state.next->generation;
    walk.on(Started{seen + 1, seen - 1, false, true, true});
    EXPECT_EQ(walk.state.current->issued, renewed());
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.effect<PublishGeneration>().generation, seen + 2) << "above all that are there";
    EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
    EXPECT_EQ(walk.published().state.current->issued, renewed());
    EXPECT_EQ(walk.state.current->generation, seen + 2);
}

/// Behind the switch: the directory could not be made durable.
PublicationFailed not_durable() {
    return {Error(ErrorCode::publish_write, "cannot sync", "Input/output error"), true};
}

TEST(PublicationStep, invariant_3_S3_what_consumers_see_though_it_is_not_durable_is_current_and_is_published_again) {
    for (const bool trusted : {true, false}) {
        Walk walk = killed_behind_the_switch();
        walk.rules.clock_trusted = trusted;
        const std::uint64_t seen = walk.state.next->generation;
        walk.on(not_durable());
        EXPECT_EQ(walk.state.current->issued, renewed()) << "no older certificate comes with a newer list";
        EXPECT_EQ(walk.state.current->generation, seen);
        ASSERT_TRUE(walk.only<Deliver>()) << "consumers are told of what they see";
        EXPECT_EQ(walk.effect<Deliver>().generation, seen);
        ASSERT_TRUE(walk.state.next);
        EXPECT_EQ(walk.state.next->issued, renewed());
        EXPECT_GT(walk.state.next->generation, seen);
        EXPECT_TRUE(walk.state.failure);
        const TimePoint again = walk.state.publish_after;
        EXPECT_GT(again, walk.now);
        EXPECT_LE(again, walk.now + minute) << "neither the window nor the clock is waited for";
        walk.on(Delivered{seen});
        EXPECT_TRUE(walk.effects.empty()) << "not at once";
        ASSERT_TRUE(walk.due_at(again).only<PublishGeneration>());
        EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
        EXPECT_EQ(walk.published().state.current->crl, (Bytes{0xC2}));
        EXPECT_FALSE(walk.state.next);
        EXPECT_FALSE(walk.state.failure);
        EXPECT_TRUE(walk.only<Deliver>());
    }
}

TEST(PublicationStep, S3_a_disk_that_makes_nothing_durable_is_tried_ever_less_often_under_one_number) {
    Walk walk = killed_behind_the_switch();
    walk.on(not_durable()).on(Delivered{walk.state.current->generation});
    const std::uint64_t number = walk.state.next->generation;
    Seconds pause = walk.state.publish_after - walk.now;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(walk.due_at(walk.state.publish_after).only<PublishGeneration>());
        walk.on(not_durable());
        EXPECT_TRUE(walk.effects.empty()) << "consumers have been told";
        EXPECT_GT(walk.state.publish_after - walk.now, pause);
        pause = walk.state.publish_after - walk.now;
    }
    EXPECT_LE(walk.state.next->generation, number + 1) << "the newest list once";
}

// A power failure may bring the older certificate back until the newer one is durable.
TEST(PublicationStep, invariant_1_S3_while_nothing_is_durable_the_key_of_what_may_come_back_is_kept) {
    for (const bool delivers : {true, false}) {
        Walk walk = killed_behind_the_switch();
        walk.rules.retire_after = Seconds(0);
        walk.rules.delivers = delivers;
        const Bytes old = walk.state.current->key.id;
        walk.on(not_durable());
        ASSERT_TRUE(walk.retired(old)) << "the renewal has a key of its own";
        if (delivers) {
            walk.on(Delivered{walk.state.current->generation});
        }
        for (int i = 0; i < 3; ++i) {
            const auto due = next_due(walk.state, walk.rules);
            ASSERT_EQ(due, walk.state.publish_after) << "nothing else wakes the loop";
            ASSERT_TRUE(walk.due_at(*due).only<PublishGeneration>());
            walk.on(not_durable());
            EXPECT_FALSE(walk.only<DestroyKey>());
        }
        walk.due_at(walk.state.publish_after).published();
        if (delivers) {
            walk.on(Delivered{walk.state.current->generation});
        }
        ASSERT_TRUE(walk.only<DestroyKey>()) << "durable now";
        EXPECT_EQ(walk.effect<DestroyKey>().key_id, old);
    }
}

// A list of many MiB may fit nowhere for weeks, and a small token needs the room for the next key.
TEST(PublicationStep, invariant_1_QRY_6_a_CRL_that_cannot_be_published_keeps_no_replaced_key) {
    Walk walk = killed_behind_the_switch();
    walk.rules.retire_after = hour;
    walk.rules.delivers = false;
    const Bytes old = walk.state.current->key.id;
    walk.published();
    ASSERT_TRUE(walk.retired(old));
    walk.rules.authority = with_crl({0xC3});
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    for (int i = 0; i < 3; ++i) {
        walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
        EXPECT_TRUE(walk.state.next) << "the list waits for its next try";
        ASSERT_TRUE(walk.due_at(walk.state.publish_after).only<PublishGeneration>());
    }
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    ASSERT_TRUE(walk.retired(old)->destroy_at);
    const TimePoint over = *walk.retired(old)->destroy_at;
    walk.state.publish_after = over + hour;
    ASSERT_TRUE(walk.due_at(over).only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, old);
}

TEST(PublicationStep, S3_a_first_certificate_that_is_seen_and_not_durable_is_in_use) {
    Walk walk;
    walk.rules.delivers = true;
    walk.to_publish().on(not_durable());
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_TRUE(walk.only<Deliver>());
    EXPECT_EQ(walk.state.current->issued, walk.state.next->issued);
}

TEST(PublicationStep, QRY_6_another_generation_than_that_of_the_newer_CRL_is_not_ours) {
    Walk walk = waiting_for_its_window();
    const IdentityState before = walk.state;
    EXPECT_EQ(walk.on(GenerationPublished{1, BesideCertificate{{anchor}, {0xC2}}}).state, before);
    EXPECT_EQ(walk.on(GenerationPublished{99, BesideCertificate{{anchor}, {0xC2}}}).state, before);
}

TEST(PublicationStep, QRY_6_a_CRL_is_published_while_a_request_is_pending_which_stays_as_it_is) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published().due_at(start + 18 * hour).send().on(RequestPending{});
    const Wait waits = walk.state.wait;
    const auto transaction = walk.state.enrollment->transaction;
    walk.rules.authority = with_crl({0xC2});
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    EXPECT_EQ(walk.published().state.wait, waits);
    EXPECT_EQ(walk.state.enrollment->transaction, transaction);
    EXPECT_EQ(walk.state.current->crl, (Bytes{0xC2}));
}

// A list of many MiB may not fit where a certificate does.
TEST(PublicationStep, invariant_1_QRY_6_a_CRL_that_cannot_be_published_keeps_no_renewal_from_beginning) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published();
    walk.rules.authority = with_crl({0xC2});
    const PublicationFailed full{Error(ErrorCode::publish_write, "disk full")};
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    walk.on(full);
    walk.due_at(start + 18 * hour);
    walk.on(full).on(Due{});
    ASSERT_TRUE(walk.state.enrollment) << "the renewal has begun";
    EXPECT_EQ(walk.state.enrollment->purpose, Purpose::renewal);
    EXPECT_TRUE(walk.state.next) << "and the list waits for its next try";
}

TEST(PublicationStep, a_failed_publication_is_tried_again_later_and_after_a_restart) {
    Walk walk;
    walk.to_publish().on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_GT(walk.state.publish_after, walk.now);
    EXPECT_EQ(walk.due(), walk.state.publish_after);
    EXPECT_EQ(walk.state.wait, (Wait{WaitingFor::timer, walk.state.publish_after}));
    EXPECT_TRUE(walk.due_at(walk.state.publish_after).only<PublishGeneration>());
    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    EXPECT_TRUE(walk.on(Started{}).only<PublishGeneration>());
}

TEST(PublicationStep, C19_a_known_successor_s_anchor_is_published_beside_the_current_one) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_valid();
    walk.rules.authority = ca_with_successor(start + 10 * day);
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.on(Due{});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, successor}));
    EXPECT_EQ(walk.state.next->issued.leaf, issued().leaf);
    walk.published();
    EXPECT_TRUE(walk.effects.empty());
    EXPECT_TRUE(walk.state.retired.empty());
    EXPECT_EQ(walk.state.current->generation, 2U);
}

TEST(PublicationStep, C19_a_certificate_that_is_issued_during_the_overlap_has_both_anchors_in_its_first_generation) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish();
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, successor}));
    walk.on(GenerationPublished{1});
    EXPECT_TRUE(walk.effects.empty()) << "one certificate, one generation";
}

/// As with_crl({0xC1}), and the CA has a successor.
AuthorityFacts with_successor_and_crl() {
    AuthorityFacts facts = ca_with_successor(start + 10 * day);
    facts.crls = with_crl({0xC1}).crls;
    return facts;
}

TEST(PublicationStep, C19_a_known_successor_s_anchor_is_published_while_a_renewed_certificate_waits_for_its_window) {
    for (const bool trusted : {true, false}) {
        Walk walk = waiting_for_its_window();
        const Wait waits = walk.state.wait;
        walk.rules.clock_trusted = trusted;
        walk.rules.authority = with_successor_and_crl();
        EXPECT_EQ(walk.due(), TimePoint{});
        ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
        const PublishGeneration effect = walk.effect<PublishGeneration>();
        ASSERT_TRUE(effect.beside);
        EXPECT_EQ(effect.beside->anchors, (std::vector<Bytes>{anchor, successor}));
        EXPECT_EQ(effect.beside->crl, (Bytes{0xC1})) << "the list stays";
        EXPECT_LT(effect.generation, walk.state.next->generation);
        EXPECT_TRUE(walk.on(GenerationPublished{effect.generation, effect.beside}).only<Deliver>());
        EXPECT_EQ(walk.state.current->issued.leaf, issued().leaf) << "no certificate comes before its window";
        EXPECT_EQ(walk.state.current->issued.anchors, (std::vector<Bytes>{anchor, successor}));
        EXPECT_EQ(walk.state.next->issued.leaf, renewed().leaf);
        if (trusted) {
            EXPECT_EQ(walk.state.wait, waits);
        }
        EXPECT_TRUE(walk.on(Delivered{effect.generation}).effects.empty()) << "once";
    }
}

TEST(PublicationStep, C19_a_certificate_that_has_waited_for_its_window_takes_the_anchors_of_its_day) {
    Walk walk = waiting_for_its_window();
    walk.rules.authority = with_successor_and_crl();
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    const PublishGeneration effect = walk.effect<PublishGeneration>();
    walk.on(GenerationPublished{effect.generation, effect.beside}).on(Delivered{effect.generation});
    ASSERT_TRUE(walk.due_at(start + 20 * hour).only<PublishGeneration>());
    EXPECT_FALSE(walk.effect<PublishGeneration>().beside);
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{anchor, successor})) << "none is taken away";
    EXPECT_TRUE(walk.published().only<Deliver>()) << "one generation";
    EXPECT_EQ(walk.state.current->issued.anchors, (std::vector<Bytes>{anchor, successor}));
}

TEST(PublicationStep, C19_an_untrusted_clock_takes_no_anchor_away_while_a_renewed_certificate_waits) {
    Walk walk = waiting_for_its_window();
    walk.rules.authority = with_successor_and_crl();
    const PublishGeneration effect = walk.on(Due{}).effect<PublishGeneration>();
    walk.on(GenerationPublished{effect.generation, effect.beside}).on(Delivered{effect.generation});
    walk.rules.authority = with_crl({0xC1});
    walk.rules.clock_trusted = false;
    EXPECT_TRUE(walk.on(Due{}).effects.empty());
    walk.rules.clock_trusted = true;
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>());
    EXPECT_EQ(walk.effect<PublishGeneration>().beside->anchors, std::vector<Bytes>{anchor});
}

TEST(PublicationStep, C19_after_the_switch_the_old_anchor_stays_beside_the_new_one_until_it_expires) {
    Walk walk;
    walk.to_shadow();
    walk.rules.authority = ca_after_switch(start + day);
    walk.rules.authority.overlaps = {anchor};
    walk.due_at(start + day);
    EXPECT_EQ(walk.state.next->issued.anchors, (std::vector<Bytes>{successor, anchor}));
    walk.published();
    walk.rules.authority.overlaps.clear();
    EXPECT_EQ(walk.due(), TimePoint{});
    walk.on(Due{});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.anchors, std::vector<Bytes>{successor});
}

TEST(PublicationStep, C19_a_certificate_that_is_left_behind_keeps_its_anchor_and_the_new_one) {
    Walk walk;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.to_publish().published();
    walk.rules.authority = ca_after_switch(start + hour);
    walk.rules.authority.overlaps = {anchor};
    walk.due_at(start + hour);
    EXPECT_FALSE(walk.emits<PublishGeneration>()) << "both are there already";
    EXPECT_EQ(walk.state.current->issued.anchors, (std::vector<Bytes>{anchor, successor}));
}

TEST(PublicationStep, C19_anchors_are_published_while_a_request_is_pending_which_stays_as_it_is) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_renewal_sent().on(RequestPending{});
    const Enrollment before = *walk.state.enrollment;
    const Wait wait = walk.state.wait;
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.on(Due{});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(attempt_phase(walk.state), Phase::pending);
    walk.published();
    EXPECT_EQ(walk.state.enrollment, before);
    EXPECT_EQ(walk.state.wait, wait);
    EXPECT_EQ(walk.state.counters.messages, 1U) << "no success of the attempt";
}

TEST(PublicationStep, a_failure_of_the_attempt_and_one_of_the_publication_beside_it_are_told_apart) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_renewal_sent().on(RequestPending{});
    walk.rules.authority = ca_with_successor(start + 10 * day);
    walk.on(Due{}).on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    EXPECT_EQ(walk.state.wait.reason, WaitingFor::ca) << "the attempt waits as before";
    EXPECT_GT(walk.state.publish_after, walk.now);
}

TEST(PublicationStep, a_stray_generation_is_not_taken_for_the_one_under_way) {
    Walk walk;
    walk.to_renewal_sent().on(CertificateIssued{renewed()});
    const IdentityState before = walk.state;
    EXPECT_EQ(walk.on(GenerationPublished{1}).state, before);
}

TEST(PublicationStep, invariant_9_a_certificate_in_place_of_one_that_could_not_be_published_retires_its_key) {
    Walk walk;
    walk.to_shadow().on(RenewalWanted{}).send(9).on(failure(ErrorCode::ca_timeout));
    const Bytes key = walk.state.shadow->credential.key.id;
    walk.rules.authority = ca_after_switch(start + day);
    walk.due_at(start + day).on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    ASSERT_TRUE(walk.emits<PrepareRequest>()) << "the attempt goes on as an enrollment";
    walk.send().on(CertificateIssued{certificate(0x41, start + day, 20 * day, successor)});
    ASSERT_EQ(walk.state.next->issued.leaf, Bytes{0x41});
    ASSERT_TRUE(walk.retired(key));
    EXPECT_FALSE(walk.retired(key)->destroy_at) << "consumers may see it: its publication failed at an unknown point";
    walk.published();
    EXPECT_EQ(walk.retired(key)->destroy_at, walk.now + walk.rules.retire_after);
}

TEST(PublicationStep, C9_a_certificate_that_is_published_again_keeps_the_time_of_its_first_publication) {
    Walk walk;
    walk.rules.authority = ca_until(start + 10 * day);
    walk.to_publish().published().rules.authority = ca_with_successor(start + 10 * day);
    walk.due_at(start + hour).published();
    EXPECT_EQ(walk.state.current->generation, 2U);
    EXPECT_EQ(walk.state.current->published_at, start) << "each overlap would put its renewal off";
}

}  // namespace
}  // namespace hwenroll::lifecycle
