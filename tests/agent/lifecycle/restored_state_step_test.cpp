// The rows of the identity machine for a state that is older than what consumers see (O10).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

const KeyRecord found_key{{0xBA}, {0xBB}};

/// What a renewal that the state has lost brought.
PublishedFound found(KeyRecord key = found_key) {
    return {std::move(key), certificate(0x70, start + 18 * hour, day), 4};
}

TEST(RestoredStateStep, O10_invariant_3_a_later_certificate_that_consumers_see_takes_the_place_of_the_known_one) {
    Walk walk;
    walk.rules.name_mark = {3};
    walk.rules.content_mark = {4};
    walk.to_valid();
    const Bytes old_key = walk.state.current->key.id;
    walk.at(start + 20 * hour).on(found());
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.effect<PublishGeneration>().generation, 5U) << "above all that are there";
    EXPECT_EQ(walk.state.next->key, found_key);
    EXPECT_EQ(walk.state.next->name_mark, walk.rules.name_mark);
    EXPECT_NE(walk.note.find("older backup"), std::string::npos);
    walk.published();
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_EQ(walk.state.current->issued, found().issued);
    EXPECT_FALSE(walk.state.enrollment) << "the renewal was due, and has been made";
    EXPECT_TRUE(walk.retired(old_key));
    EXPECT_FALSE(walk.retired(found_key.id));
}

TEST(RestoredStateStep, O10_invariant_4_the_request_that_brought_it_ends_and_its_key_stays) {
    Walk walk;
    walk.to_renewal_sent().on(RequestPending{});
    const KeyRecord key = walk.state.enrollment->key;
    ASSERT_FALSE(key.spki.empty());
    walk.on(found({{0x99}, key.spki, true})).published();
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_EQ(walk.state.current->key, key) << "by the record that the state has of it";
    EXPECT_FALSE(walk.retired(key.id));
    EXPECT_EQ(walk.state.wait, Wait());
}

TEST(RestoredStateStep, O10_a_request_for_another_key_ends_with_that_key) {
    Walk walk;
    walk.to_renewal_sent().on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(attempt_phase(walk.state), Phase::held);
    const Bytes key = walk.state.enrollment->key.id;
    walk.on(found());
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_FALSE(walk.state.hold);
    EXPECT_TRUE(walk.retired(key));
    EXPECT_TRUE(walk.only<PublishGeneration>());
}

TEST(RestoredStateStep, O10_a_key_that_was_retired_is_not_destroyed_once_it_is_in_use) {
    Walk walk;
    walk.to_valid();
    walk.state.retired.push_back({found_key, start, 0});
    walk.at(start + 20 * hour).on(found()).published();
    EXPECT_EQ(walk.state.current->key, found_key);
    EXPECT_FALSE(walk.retired(found_key.id));
}

TEST(RestoredStateStep, O10_F3_one_of_other_names_than_the_configured_ones_is_followed_by_an_enrollment) {
    Walk walk;
    walk.rules.name_mark = {3};
    walk.to_valid();
    PublishedFound other = found();
    other.as_configured = false;
    walk.at(start + 20 * hour).on(other).published();
    EXPECT_EQ(walk.state.current->issued, found().issued);
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
}

/// The CA whose CRL has this digest.
AuthorityFacts with_crl(Bytes digest) {
    AuthorityFacts facts = ca_until(start + 100 * day);
    facts.crls = {{{0x31}, {}, std::move(digest)}};
    return facts;
}

/// What consumers would see if the effect were carried out.
IssuedRecord to_be_shown(const Walk& walk) {
    return walk.effect<PublishGeneration>().beside ? walk.state.current->issued : walk.state.next->issued;
}

TEST(RestoredStateStep, O10_invariant_3_neither_an_untrusted_clock_nor_a_closed_window_lets_the_known_one_come_back) {
    Walk walk;
    walk.rules.authority = with_crl({0xC1});
    walk.to_publish().published();
    const Bytes old_key = walk.state.current->key.id;
    walk.rules.clock_trusted = false;
    walk.rules.activation = {start + 40 * hour, {90, {}}};
    walk.rules.authority = with_crl({0xC2});
    walk.at(start + 20 * hour).on(found());
    EXPECT_EQ(walk.state.current->issued, found().issued) << "consumers see it";
    EXPECT_EQ(walk.state.phase, Phase::valid);
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(to_be_shown(walk), found().issued);
    EXPECT_FALSE(walk.retired(old_key)->destroy_at);

    walk.on(PublicationFailed{Error(ErrorCode::publish_write, "disk full")});
    walk.rules.authority = with_crl({0xC3});
    walk.due_at(walk.state.publish_after);
    ASSERT_TRUE(walk.emits<PublishGeneration>());
    EXPECT_EQ(to_be_shown(walk), found().issued);
    EXPECT_EQ(walk.published().state.current->crl, (Bytes{0xC3}));
    EXPECT_FALSE(walk.state.next);
}

TEST(RestoredStateStep, O10_ROLL_14_a_shadow_that_has_taken_over_since_is_the_current_one_with_its_key) {
    Walk walk;
    walk.to_shadow();
    const Credential shadow = walk.state.shadow->credential;
    walk.rules.authority = ca_after_switch(start + day);
    walk.at(start + 2 * day).on(PublishedFound{{{0x99}, shadow.key.spki, true}, shadow.issued, 4}).published();
    EXPECT_EQ(walk.state.current->key, shadow.key) << "by the record that the state has of it";
    EXPECT_EQ(walk.state.current->issued.leaf, shadow.issued.leaf);
    EXPECT_FALSE(walk.state.shadow);
    EXPECT_FALSE(walk.retired(shadow.key.id));
}

TEST(RestoredStateStep, O10_one_that_has_expired_is_current_and_another_one_is_asked_for_at_once) {
    Walk walk;
    walk.to_valid().at(start + 60 * hour).on(found());
    EXPECT_TRUE(walk.emits<PublishGeneration>());
    walk.on(GenerationPublished{walk.state.next->generation});
    EXPECT_EQ(walk.state.current->issued, found().issued);
    EXPECT_TRUE(walk.emits<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::reenrollment);
    EXPECT_TRUE(walk.state.alerted_at) << "people are told that it has expired";
}

// K10, SM-18: what leads back, or follows a revoked one, may end earlier. A power failure brings the other one back.
TEST(RestoredStateStep, O10_S3_what_a_power_failure_has_brought_back_is_not_taken_for_a_newer_one) {
    for (const bool with_next : {true, false}) {
        Walk walk;
        walk.to_publish().published().state.current->issued = certificate(0x30, start, 100 * day);
        const Credential old = *walk.state.current;
        walk.on(EnrollmentWanted{}).send().on(CertificateIssued{certificate(0x33, start + hour, day)});
        walk.on({PublicationFailed{Error(ErrorCode::publish_write, "cannot sync"), true}});
        ASSERT_EQ(walk.state.current->issued.leaf, Bytes{0x33});
        if (with_next) {
            walk.rules.activation = {start + 20 * hour, {100, {}}};
            walk.on(EnrollmentWanted{}).send(9);
            walk.on(CertificateIssued{certificate(0x34, start + 2 * hour, day)});
        }
        walk.at(walk.now + hour).on(PublishedFound{old.key, old.issued, 3});
        EXPECT_EQ(walk.state.current->issued.leaf, Bytes{0x33}) << "what the CA issued is not forgotten";
        EXPECT_FALSE(walk.retired(walk.state.current->key.id));
        ASSERT_TRUE(walk.only<PublishGeneration>()) << "it is in front of consumers again at once";
        EXPECT_GT(walk.effect<PublishGeneration>().generation, 3U);
        EXPECT_EQ(walk.effect<PublishGeneration>().beside.has_value(), with_next);
        EXPECT_FALSE(walk.retired(old.key.id)->destroy_at);
    }
}

TEST(RestoredStateStep, O10_what_ends_no_later_changes_nothing) {
    Walk walk;
    walk.to_valid();
    const IdentityState before = walk.state;
    PublishedFound same = found();
    same.issued.not_after = before.current->issued.not_after;
    walk.on(same);
    EXPECT_EQ(walk.state, before);
    EXPECT_TRUE(walk.effects.empty());
}

}  // namespace
}  // namespace hwenroll::lifecycle
