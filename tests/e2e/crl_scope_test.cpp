// Which CRL belongs to which certificate: partitions of one CA, a CA's rollover, and lists whose CA is not at hand.
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/store/store.h"
#include "base/pem.h"
#include "tests/e2e/crl_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> own_point{"--crl-point", "self"};
const std::vector<std::string> partitions{"--crl-point", "partition"};
constexpr const char* second_identity =
    "[identity.mail]\nca = \"corp\"\ntoken = \"lab\"\nkey = \"rsa:2048\"\nsubject = \"CN=mail.example.com\"\n";

/// What follows `URI:` in a text of openssl's.
std::string uri_in(const std::string& text) {
    const std::size_t at = text.find("URI:");
    return at == std::string::npos ? "" : text.substr(at + 4, text.find('\n', at) - at - 4);
}

/// Unix sockets with such a path: one that listens, and one for each connection to it.
std::size_t sockets_below(const std::filesystem::path& directory) {
    std::ifstream table("/proc/net/unix");
    std::size_t count = 0;
    for (std::string line; std::getline(table, line);) {
        count += line.find(directory.string()) != std::string::npos ? 1 : 0;
    }
    return count;
}

/// Two identities of one CA, whose certificates name a distribution point of their own each.
class Partitions : public testing::Test {
 protected:
    void SetUp() override {
        ASSERT_TRUE(crl_.begin());
        world().eventually("both lists", [&] { return !list("mail").empty() && words_are("OK"); });
    }

    DaemonWorld& world() { return crl_.world(); }
    [[nodiscard]] std::filesystem::path file(const std::string& identity, const char* name) {
        return world().directory() / "live" / identity / "current" / name;
    }
    [[nodiscard]] std::string list(const std::string& identity) {
        std::error_code missing;
        return std::filesystem::exists(file(identity, "crl.pem"), missing) ? read_file(file(identity, "crl.pem")) : "";
    }
    [[nodiscard]] std::string point_of_list(const std::string& identity) {
        return uri_in(run({"openssl", "crl", "-noout", "-text", "-in", file(identity, "crl.pem").string()}).out);
    }
    [[nodiscard]] std::string point_of_certificate(const std::string& identity) {
        return uri_in(run({"openssl", "x509", "-noout", "-text", "-in", file(identity, "cert.pem").string()}).out);
    }
    [[nodiscard]] bool words_are(const std::string& word) {
        const auto status = nlohmann::json::parse(world().command({"status", "--json"}).out);
        return std::ranges::all_of(status["identities"], [&](const auto& one) { return one["state"] == word; });
    }

    CrlWorld crl_{"cdp", partitions, "", "", second_identity};
};

TEST_F(Partitions, QRY_6_each_identity_is_published_with_the_list_of_its_own_distribution_point) {
    for (const char* identity : {"web", "mail"}) {
        EXPECT_THAT(point_of_list(identity), HasSubstr("/crl/1-")) << identity;
        EXPECT_EQ(point_of_list(identity), point_of_certificate(identity)) << identity;
    }
    EXPECT_NE(list("web"), list("mail"));
    const RunResult fetched = crl_.fetch();
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    EXPECT_THAT(fetched.out, HasSubstr("was at hand already; CRL number")) << "both, by one command";
    EXPECT_EQ(world().stop_daemon(), 0);
}

TEST_F(Partitions, SM_18_a_revoked_certificate_is_found_in_its_own_list_and_the_other_identity_is_left_alone) {
    const std::string web = read_file(file("web", "cert.pem"));
    const std::string mail = read_file(file("mail", "cert.pem"));
    crl_.revoke("keyCompromise");
    const RunResult fetched = crl_.fetch();
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    world().eventually("another certificate", [&] { return read_file(file("web", "cert.pem")) != web; });
    world().eventually("its list",
                       [&] { return words_are("OK") && point_of_list("web") == point_of_certificate("web"); });
    EXPECT_EQ(read_file(file("mail", "cert.pem")), mail);
    EXPECT_EQ(world().stop_daemon(), 0);
}

TEST_F(Partitions, BAD_138_QRY_6_the_list_of_another_partition_is_refused) {
    const std::string web = list("web");
    const std::string mail = list("mail");
    crl_.hand_out("other-partition");
    const RunResult refused = crl_.fetch();
    EXPECT_EQ(refused.exit_code, 76) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("it is that of another distribution point of the same CA"));
    EXPECT_EQ(list("web"), web);
    EXPECT_EQ(list("mail"), mail);
    EXPECT_EQ(world().stop_daemon(), 0);
}

TEST_F(Partitions, QRY_6_an_identity_that_was_kept_out_comes_back_to_its_list_and_its_number) {
    const std::string mail = list("mail");
    crl_.rewrite("subject = \"CN=mail", "crl = 7\nsubject = \"CN=mail");
    world().eventually("the faulty identity", [&] { return !words_are("OK"); });
    EXPECT_EQ(crl_.fetch().exit_code, 0);
    EXPECT_EQ(list("mail"), mail) << "it is not there to be fetched for, and what is published stays";
    crl_.hand_out("gone");
    crl_.rewrite("crl = 7\n", "");
    world().eventually("both identities", [&] { return words_are("OK"); });
    crl_.hand_out("older");
    const RunResult refused = crl_.fetch();
    EXPECT_EQ(refused.exit_code, 76) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("older than the one at hand"));
    const auto status = nlohmann::json::parse(world().command({"status", "mail", "--json"}).out)["identities"][0];
    EXPECT_THAT(status.at("crl").value("failure", ""), HasSubstr("older than the one at hand"));
    EXPECT_EQ(list("mail"), mail) << "the number below which none is taken was kept";
    EXPECT_EQ(world().stop_daemon(), 0);
}

TEST(CrlScope, QRY_6_a_renamed_section_keeps_the_list_until_another_one_is_there) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string list = crl.list();
    crl.hand_out("gone");
    crl.rewrite("corp\"", "renamed\"");
    crl.rewrite("[ca.corp]", "[ca.renamed]");
    world.eventually("the new section", [&] { return world.said("ca renamed: E-CRL-UNUSABLE"); });
    world.eventually("the identity", [&] { return world.word() == "OK"; });
    EXPECT_EQ(crl.list(), list) << "it was verified, and nothing better is there";
    world.go_to_day(4);
    crl.hand_out("good");
    EXPECT_EQ(world.command({"crl", "fetch", "renamed"}).exit_code, 0);
    world.eventually("the next list", [&] { return crl.list() != list && crl.has_list(); });
    EXPECT_THAT(crl.described(), HasSubstr("CRL Number"));
    crl.use("off");
    world.eventually("its end", [&] { return !crl.has_list(); });
    EXPECT_EQ(world.stop_daemon(), 0);
}

// As after a renewal whose certificate names other distribution points, and after the migration from version 8: the
// stored list is that of no certificate.
TEST(CrlScope, SIG_14_SEC_3_an_RA_stays_revoked_while_the_list_of_other_distribution_points_is_kept_away) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--topology", "split-ra"});
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=recipient"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.stop_daemon(), 0);
    crl.run_sql("UPDATE crls SET scope=x'00'; UPDATE credentials SET crl=x''");
    crl.hand_out("gone");
    world.start_daemon();
    world.eventually("the failure", [&] { return world.said("E-CRL-UNUSABLE") && world.listens(); });
    const std::size_t sent = world.messages().size();
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the refusal", [&] { return world.said("requests would be encrypted to it"); });
    EXPECT_EQ(world.messages().size(), sent) << "nobody is told the challenge";

    crl.hand_out("older");
    const RunResult older = crl.fetch();
    EXPECT_EQ(older.exit_code, 76) << older.out;
    EXPECT_THAT(older.err, HasSubstr("older than the one at hand"));

    crl.hand_out("good");
    const RunResult good = crl.fetch();
    EXPECT_EQ(good.exit_code, 0) << good.err;
    EXPECT_EQ(world.stop_daemon(), 0);
    auto store = store::Store::open_read_only(world.directory() / "state");
    ASSERT_TRUE(store) << store.error().line();
    EXPECT_EQ(store->crls("corp")->size(), 1U) << "the newer list speaks of everybody, so that the other one is gone";
}

TEST(CrlScope, invariant_11_people_are_told_of_a_published_list_that_has_ended_whatever_is_asked_for_now) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string list = crl.list();
    crl.hand_out("gone");
    EXPECT_EQ(world.stop_daemon(), 0);
    crl.run_sql("UPDATE crls SET scope=x'00'");
    world.start_daemon();
    world.eventually("the failure", [&] { return world.said("E-CRL-UNUSABLE") && world.listens(); });
    world.go_to_day(8);
    world.eventually("the alert", [&] { return world.said("the CRL has ended at 2030-01-08"); });
    EXPECT_TRUE(world.said("it stays published: E-CRL-UNUSABLE"));
    EXPECT_EQ(crl.list(), list);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlScope, lists_that_fail_at_once_are_fetched_once_for_all_who_ask_at_the_same_time) {
    CrlWorld crl("cdp", {"--crl-point", "ldap://127.0.0.1/cn=a"});
    DaemonWorld& world = crl.world();
    world.start_daemon();
    world.eventually("the first identity", [&] { return world.said("E-CRL-UNUSABLE") && world.word() == "OK"; });
    world.restart_ca({"--crl-point", "ldap://127.0.0.1/cn=b"});
    crl.rewrite("[identity.web]", std::string(second_identity) + "[identity.web]");
    world.eventually("the second one's failure", [&] { return world.said("ldap://127.0.0.1/cn=b"); });
    world.signal(SIGSTOP);
    std::vector<RunResult> results(8);
    {
        std::vector<std::jthread> askers;
        askers.reserve(results.size());
        for (RunResult& result : results) {
            askers.emplace_back([&] { result = crl.fetch(); });
        }
        world.eventually("their connections", [&] { return sockets_below(world.directory() / "run") > 8; });
        world.signal(SIGCONT);
    }
    for (const RunResult& result : results) {
        EXPECT_EQ(result.exit_code, 76) << result.out;
        EXPECT_THAT(result.err, HasSubstr("names no CRL distribution point of http or https"));
    }
    EXPECT_TRUE(world.listens());
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlScope, ROLL_14_QRY_6_over_a_rollover_each_certificate_has_the_list_of_the_CA_that_issued_it) {
    std::vector<std::string> options = lives_with_rollover();
    options.insert(options.end(), own_point.begin(), own_point.end());
    CrlWorld crl("cdp", options);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto list_of_generation = [&](int number) {
        return to_pem("X509 CRL", as_bytes(world.ask_lab("/crl/" + std::to_string(number) + ".crl")));
    };
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.messages().size() == 2 && world.word() == "OK"; });
    world.go_to_day(185);
    world.eventually("the shadow", [&] { return world.word() == "SHADOW-READY"; });
    const RunResult both = crl.fetch();
    EXPECT_EQ(both.exit_code, 0) << both.err;
    EXPECT_THAT(both.out, HasSubstr("; CRL")) << "that of the CA and that of its successor: " << both.out;
    world.eventually("the list of the CA", [&] { return crl.list() == list_of_generation(1); });
    const auto before = world.leaf();
    world.go_to_day(200.01);
    world.eventually("the switch", [&] { return world.leaf() != before && world.word() == "OK"; });
    EXPECT_EQ(crl.fetch().exit_code, 0);
    world.eventually("the list of the successor", [&] { return crl.list() == list_of_generation(2); });
    EXPECT_NE(crl.list(), list_of_generation(1));
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
