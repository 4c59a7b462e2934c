// The rows of the identity machine about a switch that consumers see and that a power failure may undo, because no
// fsync has followed it: until a publication is durable nothing of what it has replaced is given up (invariants 1 and
// 3).
#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

const PublicationFailed full{Error(ErrorCode::publish_write, "disk full")};
const PublicationFailed not_durable{Error(ErrorCode::publish_write, "cannot sync", "Input/output error"), true};

IssuedRecord renewed() {
    return certificate(0x33, start + 18 * hour, day);
}

IssuedRecord renewed_again() {
    return certificate(0x34, start + 36 * hour, day);
}

/// Published and confirmed as generation 1, renewed as generation 2, which is on its way; keys are retired for no time.
Walk on_its_way(bool delivers = false) {
    Walk walk;
    walk.rules.retire_after = Seconds(0);
    walk.rules.delivers = delivers;
    walk.to_valid();
    if (delivers) {
        walk.on(Delivered{1});
    }
    walk.due_at(start + 18 * hour).send().on(CertificateIssued{renewed()});
    EXPECT_TRUE(walk.only<PublishGeneration>());
    return walk;
}

/// Consumers see the renewed certificate and a power failure may undo that. Its renewal was issued and waits for its
/// window, or could not be published at all.
Walk renewed_while_not_durable(bool has_window) {
    Walk walk = on_its_way();
    walk.on(not_durable).due_at(start + 36 * hour);
    for (int i = 0; i < 9 && !walk.emits<MakeKey>(); ++i) {
        walk.on(full).on(Due{});
    }
    if (has_window) {
        walk.rules.activation = {start + 40 * hour, {100, {}}};
    }
    walk.send(9).on(CertificateIssued{renewed_again()});
    return walk;
}

TEST(DurabilityStep, S7_invariant_1_what_is_seen_after_a_kill_is_made_durable_before_the_replaced_key_goes) {
    for (const bool delivers : {true, false}) {
        Walk walk = on_its_way(delivers);
        const Bytes old = walk.state.current->key.id;
        walk.at(walk.now + minute).on(Started{2, 2, true, true, true});
        EXPECT_EQ(walk.state.current->issued, renewed()) << "invariant 3";
        ASSERT_TRUE(walk.only<PublishGeneration>()) << "the fsync behind the switch may not have come";
        EXPECT_EQ(walk.effect<PublishGeneration>().generation, 2U);
        walk.on(not_durable);
        if (delivers) {
            ASSERT_TRUE(walk.only<Deliver>()) << "they are told of what they see";
            walk.on(Delivered{2});
        }
        EXPECT_FALSE(walk.emits<DestroyKey>());
        ASSERT_TRUE(walk.retired(old));
        EXPECT_FALSE(walk.retired(old)->destroy_at);
        walk.due_at(walk.state.publish_after).published();
        if (delivers) {
            walk.on(Delivered{walk.state.current->generation});
        }
        ASSERT_TRUE(walk.only<DestroyKey>()) << "durable now";
        EXPECT_EQ(walk.effect<DestroyKey>().key_id, old);
    }
}

TEST(DurabilityStep, S3_invariant_1_a_renewal_that_cannot_be_published_gives_no_key_of_what_may_come_back_up) {
    Walk walk = renewed_while_not_durable(false);
    ASSERT_TRUE(walk.only<PublishGeneration>());
    walk.on(full);
    EXPECT_FALSE(walk.emits<DestroyKey>());
    EXPECT_GT(walk.due(), walk.now) << "nothing wakes the loop at once";
    ASSERT_EQ(walk.state.retired.size(), 1U);
    EXPECT_FALSE(walk.state.retired.front().destroy_at);
    ASSERT_TRUE(walk.due_at(walk.state.publish_after).emits<PublishGeneration>());
    walk.on(GenerationPublished{walk.state.next->generation});
    EXPECT_EQ(walk.state.current->issued, renewed_again());
    EXPECT_TRUE(walk.only<DestroyKey>());
    EXPECT_EQ(walk.state.retired.size(), 2U) << "that of the one that was never durable as well";
}

TEST(DurabilityStep, S3_invariant_1_what_is_not_durable_is_published_again_while_its_renewal_waits_for_its_window) {
    for (const bool trusted : {true, false}) {
        Walk walk = renewed_while_not_durable(true);
        walk.rules.clock_trusted = trusted;
        for (int i = 0; i < 3; ++i) {
            walk.due_at(std::max(walk.now, walk.state.publish_after));
            ASSERT_TRUE(walk.emits<PublishGeneration>());
            ASSERT_TRUE(walk.effect<PublishGeneration>().beside) << "the renewed one waits on";
            EXPECT_LT(walk.effect<PublishGeneration>().generation, walk.state.next->generation);
            walk.on(full);
            EXPECT_FALSE(walk.emits<DestroyKey>());
            EXPECT_GT(walk.due(), walk.now) << "not at once";
        }
        walk.rules.clock_trusted = true;
        walk.due_at(walk.state.publish_after);
        ASSERT_TRUE(walk.emits<PublishGeneration>());
        const PublishGeneration effect = walk.effect<PublishGeneration>();
        walk.on(GenerationPublished{effect.generation, effect.beside});
        EXPECT_EQ(walk.state.current->issued, renewed());
        EXPECT_TRUE(walk.only<DestroyKey>()) << "durable now";
        EXPECT_EQ(walk.on(KeyDestroyed{walk.effect<DestroyKey>().key_id}).due(), start + 40 * hour);
    }
}

TEST(DurabilityStep, S12_invariant_3_what_consumers_lost_is_published_again_while_its_renewal_waits_for_its_window) {
    Walk walk = on_its_way();
    walk.published();
    walk.on(KeyDestroyed{walk.state.retired.front().key.id});
    walk.rules.activation = {start + 40 * hour, {100, {}}};
    walk.due_at(start + 36 * hour).send(9).on(CertificateIssued{renewed_again()});
    ASSERT_TRUE(walk.effects.empty()) << "it waits for its window";
    Started event{3, 1, false};
    EXPECT_TRUE(Walk(walk).on(event).effects.empty()) << "consumers see the current one";
    event.current_seen = false;
    ASSERT_TRUE(walk.on(event).only<PublishGeneration>());
    const PublishGeneration effect = walk.effect<PublishGeneration>();
    ASSERT_TRUE(effect.beside);
    EXPECT_GT(effect.generation, 3U) << "above all that are there";
    walk.on(GenerationPublished{effect.generation, effect.beside});
    EXPECT_EQ(walk.state.current->generation, effect.generation);
    EXPECT_EQ(walk.due(), start + 40 * hour);
}

TEST(DurabilityStep, ROLL_14_invariant_1_what_cannot_be_published_again_keeps_no_shadow_from_taking_over) {
    Walk walk;
    walk.to_shadow();
    walk.rules.authority.crls = {{{0x31}, {}, {0xC1}}};
    ASSERT_TRUE(walk.on(Due{}).only<PublishGeneration>()) << "a list that fits nowhere";
    walk.on(full);
    ASSERT_TRUE(walk.state.next);
    walk.state.publish_after = start + 2 * day;
    walk.rules.authority = ca_after_switch(start + day);
    EXPECT_EQ(walk.due(), start + day);
    ASSERT_TRUE(walk.due_at(start + day).emits<PublishGeneration>());
    EXPECT_EQ(walk.state.next->issued.leaf, Bytes{0x40});
    EXPECT_FALSE(walk.published().state.shadow);
    EXPECT_EQ(walk.state.current->issued.leaf, Bytes{0x40});
}

}  // namespace
}  // namespace hwenroll::lifecycle
