// What a CA does to a running agent: the rows C and K6 of the fault catalogue that take days.
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lives(int days, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--lifetime", std::to_string(days * 86400L), "--backdate", "0"});
    return more;
}

std::string last_error(const DaemonWorld& world) {
    const json shown = json::parse(world.command({"status", "--json"}).out)["identities"][0];
    return shown.contains("last_error") ? shown["last_error"]["text"].get<std::string>() : std::string();
}

TEST(CaFault, C1_a_request_that_is_decided_after_days_is_polled_under_one_transaction_over_restarts) {
    DaemonWorld world(lives(120, {"--pending-seconds", std::to_string(3 * 86400)}));
    world.start_daemon();
    world.eventually("the CA's PENDING", [&] { return world.word() == "PENDING"; });
    for (const double day : {0.5, 1.5, 2.5}) {
        if (day > 1) {
            EXPECT_EQ(world.stop_daemon(), 0);
        }
        const std::size_t before = world.messages().size();
        world.go_to_day(day);
        if (day > 1) {
            world.start_daemon();
        }
        world.eventually("a poll", [&] { return world.messages().size() == before + 1 && world.word() == "PENDING"; });
    }
    world.go_to_day(3.1);
    world.eventually("the certificate", [&] { return world.word() == "OK"; });
    EXPECT_THAT(world.messages(), ElementsAre("19", "20", "20", "20", "20"));
    std::set<std::string> transactions;
    for (const std::string& line : world.requests()) {
        if (const json record = json::parse(line); record["operation"] == "PKIOperation") {
            transactions.insert(record["transactionID"].get<std::string>());
        }
    }
    EXPECT_EQ(transactions.size(), 1U);
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.objects("Private Key Object"), 1);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CaFault, C2_a_ca_that_has_issued_and_then_knows_nothing_of_it_gets_one_new_request) {
    DaemonWorld world(lives(120, {"--pending", "1", "--fault", "CertPoll:1:lose"}));
    world.start_daemon();
    world.eventually("the CA's PENDING", [&] { return world.word() == "PENDING"; });
    world.go_to_day(0.1);
    world.eventually("the lost certificate", [&] { return world.issued().size() == 1; });
    world.eventually("the loss", [&] { return world.said("E-CA-"); });
    std::filesystem::remove_all(world.directory() / "ca" / "transactions");
    world.restart_ca(lives(120));
    world.go_to_day(0.2);
    world.eventually("the certificate", [&] { return world.word() == "OK"; });
    EXPECT_THAT(world.messages(), ElementsAre("19", "20", "20", "19"));
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_TRUE(world.said("ask its operator what became of it, and to revoke a certificate that nobody received"));
    EXPECT_EQ(world.objects("Private Key Object"), 1) << "the key is the one that there was";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CaFault, C2_a_ca_that_refuses_after_PENDING_holds_and_is_asked_once_a_day) {
    DaemonWorld world(lives(120, {"--pending", "1", "--refuse", "badRequest:lost"}));
    world.start_daemon();
    world.eventually("the CA's PENDING", [&] { return world.word() == "PENDING"; });
    world.go_to_day(0.1);
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_THAT(world.messages(), ElementsAre("19", "20"));
    EXPECT_TRUE(world.said("web: held (rejected)")) << "an alert";
    world.restart_ca(lives(120));
    world.go_to_day(1.2);
    world.eventually("the certificate", [&] { return world.word() == "OK"; });
    EXPECT_THAT(world.messages(), ElementsAre("19", "20", "19"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

// The point of renewal has passed, so people are told of it all the same (invariant 11): once.
TEST(CaFault, C23_a_renewal_that_comes_too_early_for_the_ca_is_tried_again_later_without_a_person) {
    DaemonWorld world(lives(120, {"--renewal", "both"}));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const Certificate first = *world.leaf();
    world.restart_ca(lives(120, {"--renewal", "both", "--refuse", "badRequest:not to be renewed before 2030-04-03"}));
    world.go_to_day(91);
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_THAT(last_error(world), HasSubstr("not to be renewed before 2030-04-03"));
    EXPECT_EQ(world.leaf(), first) << "it stays in use";
    EXPECT_THAT(world.messages(), ElementsAre("19", "17", "19")) << "by RenewalReq, and once by PKCSReq";
    world.restart_ca(lives(120, {"--renewal", "both"}));
    world.go_to_day(92.1);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.leaf() != first; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CaFault, C25_invariant_5_a_ca_that_limits_how_often_it_issues_is_asked_once_a_day_and_people_are_told) {
    const std::vector<std::string> refusing{"--refuse", "badRequest:too many certificates for this name"};
    DaemonWorld world(lives(120, refusing));
    world.start_daemon();
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_TRUE(world.said("web: held (rejected): E-CA-REJECTED web: ")) << world.daemon().err();
    for (std::size_t day = 1; day <= 4; ++day) {
        world.go_to_day(static_cast<double>(day) + 0.01 * static_cast<double>(day));
        world.eventually("one more try",
                         [&] { return world.messages().size() == day + 1 && world.word() == "HELD(rejected)"; });
    }
    world.restart_ca(lives(120));
    world.go_to_day(5.1);
    world.eventually("the certificate", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.messages().size(), 6U);
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
