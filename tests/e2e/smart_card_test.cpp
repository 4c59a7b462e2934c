// An identity whose key was on a smart card before: enrolled, renewed, and taken up again when the card comes back.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"
#include "tests/support/required_tokens.h"
#include "tests/support/virtual_card.h"

namespace hwenroll::test {
namespace {

constexpr auto card_pin = "123456";

class CardIdentity : public testing::Test {
 protected:
    void SetUp() override {
        if (const auto missing = CardReader::missing()) {
            ASSERT_FALSE(tokens_are_required()) << *missing;
            GTEST_SKIP() << *missing;
        }
        reader_ = std::make_unique<CardReader>();
        world_ = std::make_unique<DaemonWorld>(std::vector<std::string>{"--pending-until-approved"});
        write_pin(card_pin);
    }

    void write_pin(const std::string& pin) const { write_file(world_->pin_path(), pin, 0600); }

    /// With the card's key of that id; waits until the CA has the request.
    void start(const std::string& key_id) {
        world_->configure({.module = CardReader::module(),
                           .uri = "pkcs11:model=PKCS%2315%20emulated",
                           .key = "existing:pkcs11:id=%" + key_id,
                           .identity_extra = "new_key = \"reuse\"\npoll = { start = \"1m\", max = \"1m\" }\n"});
        reader_->insert(card_);
        world_->start_daemon();
        pass_until("its request waits", [this] { return world_->pending() == 1; });
    }

    /// Time goes on while `holds` is waited for, slowly enough for a card's signature to be still of this minute.
    void pass_until(const std::string& what, const std::function<bool()>& holds) const {
        world_->eventually(what, [&] {
            world_->advance(Seconds(1));
            return holds();
        });
    }

    /// transactionIDs of all messages so far.
    [[nodiscard]] std::set<std::string> transactions() const {
        std::set<std::string> ids;
        for (const std::string& line : world_->requests()) {
            const auto record = nlohmann::json::parse(line);
            if (record["operation"] == "PKIOperation") {
                ids.insert(record["transactionID"].get<std::string>());
            }
        }
        return ids;
    }

    /// Of the published certificate, as a SubjectPublicKeyInfo.
    [[nodiscard]] Bytes published_key() const {
        const auto leaf = world_->leaf();
        return leaf ? to_bytes(leaf->public_key().spki()) : Bytes();
    }

    PivCard card_;
    std::unique_ptr<CardReader> reader_;
    std::unique_ptr<DaemonWorld> world_;
};

TEST_F(CardIdentity, T4_TOK_9_SM_17_goes_on_with_the_same_transaction_when_the_card_is_back_and_is_renewed) {
    start("01");
    reader_->remove();
    pass_until("the card is missed", [this] { return world_->said("E-TOKEN-ABSENT"); });
    EXPECT_EQ(world_->approve_all(), 1U);
    EXPECT_FALSE(world_->leaf());
    reader_->insert(card_);
    pass_until("its certificate is there", [this] { return world_->leaf().has_value(); });
    ASSERT_TRUE(world_->leaf());
    EXPECT_EQ(transactions().size(), 1U);
    EXPECT_EQ(published_key(), card_.public_key(PivKey::authentication));

    const std::string first = world_->generation();
    world_->go_to(world_->leaf()->not_before() + (world_->leaf()->not_after() - world_->leaf()->not_before()) * 3 / 4);
    pass_until("its renewal waits", [this] { return world_->pending() == 1; });
    EXPECT_EQ(world_->approve_all(), 1U);
    pass_until("it is renewed", [&] { return world_->generation() != first; });
    EXPECT_EQ(published_key(), card_.public_key(PivKey::authentication));
    EXPECT_EQ(card_.pins_refused(), 0);
}

// ADR 0012: the refusal of a use's login is on record as that of any other.
TEST_F(CardIdentity, T14_invariant_6_whose_pin_was_changed_loses_one_try_over_a_restart) {
    start("02");
    card_.change_pin("654321");
    pass_until("the refusal is told", [this] { return world_->said("E-TOKEN-PIN "); });
    EXPECT_EQ(card_.tries_left(), 2);
    EXPECT_EQ(world_->stop_daemon(), 0);
    world_->start_daemon();
    pass_until("it is not tried again", [this] { return world_->said("refused this PIN"); });
    EXPECT_EQ(card_.tries_left(), 2);
    EXPECT_EQ(world_->approve_all(), 1U);
    write_pin("654321");
    pass_until("its certificate is there", [this] { return world_->leaf().has_value(); });
    EXPECT_EQ(card_.pins_refused(), 1);
    EXPECT_EQ(transactions().size(), 1U);
}

}  // namespace
}  // namespace hwenroll::test
