// Which CRL belongs to which certificate: partitions of one CA, a CA's rollover, and lists whose CA is not at hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
