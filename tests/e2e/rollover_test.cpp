// What may happen around a CA's rollover, with the real daemon.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/life.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

class Rollover : public testing::Test {
 protected:
    explicit Rollover(const std::vector<std::string>& lab_options = {})
        : life_(Stage::rollover, {}, lab_options), world_(life_.world()) {}

    /// The CA of generation `number` as a pin; the first is 1.
    [[nodiscard]] std::string pin(int number) const {
        const std::string name = number == 1 ? "ca.pem" : "ca-" + std::to_string(number) + ".pem";
        const auto certificates = certificates_from_pem(read_file(world_.directory() / "ca" / name));
        return "SHA256:" + to_hex(certificates.value().front().fingerprint(), ':');
    }

    void reload(const ConfigurationChanges& changes) {
        world_.configure(changes);
        world_.reload();
    }

    [[nodiscard]] bool lives_through_a_rollover() {
        life_.begin();
        return life_.enroll() && life_.renew() && life_.roll_over();
    }

    void reload_with_pins(const std::string& first, const std::string& second) {
        world_.configure();
        std::string text = read_file(world_.config());
        const std::string line = "fingerprint = ";
        const std::size_t from = text.find(line) + line.size();
        text.replace(from, text.find('\n', from) - from, "[\"" + first + "\", \"" + second + "\"]");
        write_file(world_.config(), text, 0600);
        world_.reload();
    }

    /// The daemon ends, the database is lost, another daemon begins.
    void lose_database() {
        ASSERT_EQ(world_.stop_daemon(), 0);
        std::filesystem::remove_all(world_.directory() / "state");
        life_.begin();
    }

    Life life_;
    DaemonWorld& world_;
};

// Its certificate is still there, its key on the token, and the CA stands by both: there is nothing to enroll for.
TEST_F(Rollover, ROLL_17_a_lost_database_afterwards_leaves_the_old_pin_refused_and_the_new_one_goes_on) {
    ASSERT_TRUE(lives_through_a_rollover());
    const auto shown = world_.leaf();
    lose_database();
    ASSERT_TRUE(life_.settle("the refusal", [&] { return life_.said("E-CA-FINGERPRINT"); }));
    EXPECT_EQ(world_.leaf(), shown) << "invariant 1: what works is left alone";
    EXPECT_THAT(world_.daemon().err(), HasSubstr(pin(2))) << "the operator is told the pin to compare";
    reload({.fingerprint = pin(2)});
    ASSERT_TRUE(life_.settle("the new pin", [&] { return world_.word() == "OK"; }));
    EXPECT_EQ(world_.leaf(), shown);
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Rollover, F3_an_edited_subject_afterwards_is_enrolled_with_the_stored_successor) {
    ASSERT_TRUE(lives_through_a_rollover());
    const auto shown = world_.leaf();
    reload({.identity_extra = "san = [\"dns:web02.example.com\"]\n"});
    world_.reload();
    ASSERT_TRUE(life_.settle("the new name", [&] { return world_.word() == "OK" && world_.leaf() != shown; }));
    EXPECT_FALSE(life_.said("E-CA-FINGERPRINT"));
    EXPECT_EQ(world_.issued().size(), 4U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Rollover, ROLL_17_edited_pins_afterwards_count_again) {
    ASSERT_TRUE(lives_through_a_rollover());
    const auto shown = world_.leaf();
    const std::string stranger = "SHA256:" + to_hex(Bytes(32, 0x5a), ':');
    reload_with_pins(pin(1), stranger);
    EXPECT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    ASSERT_TRUE(life_.settle("the refusal", [&] { return life_.said("E-CA-FINGERPRINT"); }));
    EXPECT_EQ(world_.leaf(), shown) << "invariant 1";
    reload_with_pins(pin(1), pin(2));
    ASSERT_TRUE(life_.settle("the renewal", [&] { return world_.word() == "OK" && world_.leaf() != shown; }));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Rollover, SM_14_ROLL_17_two_rollovers_without_the_machine_end_in_a_refusal_that_names_the_new_pin) {
    life_.begin();
    ASSERT_TRUE(life_.enroll() && life_.renew());
    world_.go_to_day(175);
    ASSERT_TRUE(life_.settle("the shadow", [&] { return world_.word() == "SHADOW-READY"; }));
    ASSERT_EQ(world_.stop_daemon(), 0);
    world_.go_to_day(450);
    life_.begin();
    ASSERT_TRUE(life_.settle("the refusal", [&] { return life_.said("E-CA-FINGERPRINT"); }));
    EXPECT_THAT(world_.daemon().err(), HasSubstr(pin(3)));
    EXPECT_EQ(world_.word(), "EXPIRED");
    const auto shown = world_.leaf();
    reload({.fingerprint = pin(3)});
    ASSERT_TRUE(life_.settle("the enrollment", [&] { return world_.word() == "OK" && world_.leaf() != shown; }));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

std::vector<std::string> near_its_end() {
    constexpr std::int64_t day = 86400;
    return {"--ca-lifetime",   std::to_string(200 * day), "--lifetime", std::to_string(120 * day),
            "--auto-rollover", std::to_string(30 * day),  "--backdate", "0"};
}

TEST(SuccessorSearch, HTTP_5_ROLL_1_a_single_run_ends_with_a_search_that_brings_none) {
    DaemonWorld world(near_its_end());
    const ChildOptions options{{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}};
    world.go_to_day(60);
    ASSERT_EQ(world.once(options).exit_code, 0);
    // The search begins 60 days before the CA's end; the renewal is due on day 144 at the earliest.
    world.go_to_day(143);
    const RunResult again = world.once(options);
    EXPECT_FALSE(again.timed_out);
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(world.requests().back(), HasSubstr("\"operation\":\"GetNextCACert\""));
    EXPECT_THAT(world.requests().back(), HasSubstr("\"method\":\"GET\""));
    EXPECT_THAT(world.requests().back(), HasSubstr("\"bodyLength\":0,"));
}

TEST(SuccessorSearch, X14_a_ca_may_leave_the_configuration_while_it_is_asked_for_its_successor) {
    auto options = near_its_end();
    options.insert(options.end(), {"--fault", "GetNextCACert:*:delay-2000"});
    DaemonWorld world(options);
    world.go_to_day(60);
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.go_to_day(143);
    world.eventually("the search", [&] { return world.requests().back().find("GetNextCACert") != std::string::npos; });
    std::string text = read_file(world.config());
    for (const auto& [old, now] :
         {std::pair("[ca.corp]", "[ca.other]"), std::pair("ca = \"corp\"", "ca = \"other\"")}) {
        const std::size_t at = text.find(old);
        ASSERT_NE(at, std::string::npos);
        text.replace(at, std::string(old).size(), now);
    }
    const std::size_t before = world.requests().size();
    write_file(world.config(), text, 0600);
    world.reload();
    world.eventually("the new CA's requests", [&] { return world.requests().size() > before + 2; });
    world.eventually("the state of before", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

class DecidedRollover : public Rollover {
 protected:
    DecidedRollover() : Rollover({"--pending-until-approved"}) {}

    /// PENDING first, granted then; `settled` is the word after that.
    [[nodiscard]] bool granted(const std::string& what, const std::function<bool()>& settled) {
        return life_.settle("PENDING", [&] { return world_.approve_all() > 0; }) && life_.settle(what, settled);
    }
};

TEST_F(DecidedRollover, ROLL_9_a_shadow_that_is_PENDING_across_the_switch_becomes_the_certificate_afterwards) {
    life_.begin();
    ASSERT_TRUE(granted("the enrollment", [&] { return world_.word() == "OK"; }));
    world_.go_to_day(91);
    ASSERT_TRUE(granted("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; }));
    const auto shown = world_.leaf();
    world_.go_to_day(175);
    ASSERT_TRUE(life_.settle("the shadow's request", [&] { return world_.pending() == 1; }));
    world_.go_to_day(199);
    ASSERT_TRUE(life_.settle("polls before the switch", [looks = 0]() mutable { return ++looks > 30; }));
    EXPECT_EQ(world_.leaf(), shown);
    world_.go_to_day(200.1);
    ASSERT_TRUE(life_.settle("polls after the switch", [looks = 0]() mutable { return ++looks > 30; }));
    ASSERT_TRUE(granted("the switch", [&] { return world_.word() == "OK" && world_.leaf() != shown; }));
    EXPECT_GE(world_.leaf()->not_before(), world_.day(199.9));
    ASSERT_TRUE(life_.settle("the end of the old anchor", [&] { return world_.anchors() == 1; }));
    EXPECT_EQ(world_.issued().size(), 3U) << "no certificate is asked for twice";
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
