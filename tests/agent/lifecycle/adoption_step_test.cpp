// The rows of the identity machine for a certificate that was issued elsewhere and is adopted with its key.
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

const KeyRecord brought_key{{0xAD}, {0xAE}, true};

CertificateAdopted adopted(KeyRecord key = brought_key) {
    return {std::move(key), certificate(0x60, start - 6 * hour, day)};
}

TEST(AdoptionStep, a_new_identity_publishes_the_certificate_with_its_key_which_is_not_ours) {
    Walk walk;
    walk.rules.name_mark = {3};
    walk.rules.content_mark = {4};
    KeyRecord unmarked = brought_key;
    unmarked.adopted = false;
    walk.on(adopted(unmarked));
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.effect<PublishGeneration>().generation, 1U);
    EXPECT_EQ(walk.state.phase, Phase::need_publish);
    const Credential& next = *walk.state.next;
    EXPECT_EQ(next.key, brought_key);
    EXPECT_EQ(next.issued.leaf, adopted().issued.leaf);
    EXPECT_EQ(next.name_mark, walk.rules.name_mark);
    EXPECT_EQ(next.content_mark, walk.rules.content_mark);
    EXPECT_NE(walk.note.find("adopted"), std::string::npos);
}

TEST(AdoptionStep, what_is_held_gives_way_and_its_key_goes_once_the_certificate_is_published) {
    Walk walk;
    walk.to_sent();
    const Bytes made = walk.state.enrollment->key.id;
    walk.on(rejected(scep::FailInfo::bad_request));
    ASSERT_EQ(walk.state.phase, Phase::held);
    walk.on(adopted());
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_FALSE(walk.state.enrollment);
    EXPECT_FALSE(walk.state.hold);
    EXPECT_TRUE(walk.retired(made));
    walk.published();
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_FALSE(walk.state.failure);
    EXPECT_EQ(walk.state.counters, Counters());
    ASSERT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.effect<DestroyKey>().key_id, made);
}

TEST(AdoptionStep, what_is_tried_again_later_gives_way_with_its_wait) {
    Walk walk;
    walk.to_key().on(failure(ErrorCode::challenge_source));
    ASSERT_NE(walk.state.wait.reason, WaitingFor::nothing);
    walk.on(adopted());
    EXPECT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.wait, Wait());
    EXPECT_FALSE(walk.state.enrollment);
}

TEST(AdoptionStep, the_key_of_the_attempt_that_ends_is_not_retired_if_it_is_the_certificate_s) {
    Walk walk;
    walk.to_submit();
    const KeyRecord made = walk.state.enrollment->key;
    walk.on(failure(ErrorCode::challenge_source)).on(adopted(made)).published();
    EXPECT_EQ(walk.state.phase, Phase::valid);
    EXPECT_TRUE(walk.state.retired.empty());
    EXPECT_FALSE(walk.emits<DestroyKey>());
    EXPECT_TRUE(walk.state.current->key.adopted) << "somebody has asked for a certificate with it elsewhere";
}

TEST(AdoptionStep, a_request_that_the_ca_is_deciding_does_not_give_way) {
    Walk walk;
    walk.to_sent().on(RequestPending{});
    const IdentityState before = walk.state;
    walk.on(adopted());
    EXPECT_EQ(walk.state, before);
    EXPECT_TRUE(walk.effects.empty());
}

TEST(AdoptionStep, invariant_1_an_identity_with_a_certificate_keeps_it) {
    Walk queued;
    queued.to_publish();
    Walk valid;
    valid.to_valid();
    Walk renewing;
    renewing.to_renewal_sent().on(failure(ErrorCode::ca_timeout));
    for (Walk* walk : {&queued, &valid, &renewing}) {
        const IdentityState before = walk->state;
        EXPECT_FALSE(may_adopt(before));
        walk->on(adopted());
        EXPECT_EQ(walk->state, before);
        EXPECT_TRUE(walk->effects.empty());
    }
}

TEST(AdoptionStep, without_a_key_nothing_is_adopted) {
    Walk walk;
    walk.on(adopted(KeyRecord{{}, {1}, true})).on(adopted(KeyRecord{{1}, {}, true}));
    EXPECT_EQ(walk.state, IdentityState());
}

TEST(AdoptionStep, invariant_9_a_process_that_was_killed_after_the_commit_publishes_it_at_its_start) {
    Walk walk;
    walk.on(adopted()).on(Started{});
    ASSERT_TRUE(walk.only<PublishGeneration>());
    EXPECT_EQ(walk.state.next->key, brought_key);
}

TEST(AdoptionStep, REN_2_its_renewal_has_its_usual_time_and_is_signed_by_it_and_its_key_stays) {
    Walk walk;
    walk.on(adopted()).published();
    EXPECT_EQ(walk.due(), start + 12 * hour) << "three quarters of a day that began six hours ago";
    walk.due_at(start + 12 * hour).send();
    ASSERT_TRUE(walk.only<SendRequest>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
    EXPECT_EQ(walk.state.enrollment->transaction->signer_key, brought_key);
    walk.on(CertificateIssued{certificate(0x61, walk.now, day)}).published();
    ASSERT_EQ(walk.state.current->issued.leaf, Bytes{0x61});
    EXPECT_FALSE(walk.state.current->key.adopted);
    EXPECT_TRUE(walk.state.retired.empty());
}

TEST(AdoptionStep, REN_2_C9_past_its_renewal_point_it_is_renewed_after_the_pause_of_any_late_certificate) {
    Walk walk;
    walk.at(start + 14 * hour).on(adopted()).published();
    const TimePoint due = *walk.due();
    EXPECT_GT(due, walk.now);
    EXPECT_LE(due, walk.now + day / 50);
    walk.due_at(due);
    EXPECT_TRUE(walk.only<MakeKey>());
    EXPECT_EQ(walk.purpose(), Purpose::renewal);
}

}  // namespace
}  // namespace hwenroll::lifecycle
