// CRLs with the real daemon: fetched, published, kept fresh, and what they say of our own certificate (QRY-1 … QRY-7,
// SM-18).
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/e2e/crl_world.h"

namespace hwenroll::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::vector<std::string> own_point{"--crl-point", "self"};

TEST(Crl, QRY_4_the_list_of_the_distribution_point_is_published_in_a_generation_of_its_own) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    EXPECT_THAT(crl.described(), HasSubstr("X509v3 CRL Number"));
    EXPECT_THAT(world.messages(), ElementsAre("19")) << "no message was needed";
    EXPECT_EQ(world.generation(), "gen-002");
    const auto status = nlohmann::json::parse(world.command({"status", "--json"}).out)["identities"][0];
    EXPECT_EQ(status["crl"]["source"], "cdp");
    EXPECT_EQ(status["crl"]["number"], "01");
    EXPECT_TRUE(status["crl"].contains("next_fetch"));
    EXPECT_FALSE(status["crl"].contains("failure"));
    EXPECT_THAT(world.command({"status", "web"}).out, HasSubstr("CRL        number 01 of 2030-01-01"));
    world.expect_published(world.now());
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, QRY_5_QRY_7_GetCRL_is_signed_by_the_current_certificate_and_its_list_published) {
    CrlWorld crl("scep", own_point);
    ASSERT_TRUE(crl.begin());
    EXPECT_THAT(crl.described(), HasSubstr("No Revoked Certificates"));
    EXPECT_EQ(crl.messages("22"), 1U);
    for (const std::string& line : crl.world().requests()) {
        auto record = nlohmann::json::parse(line);
        if (record["messageType"] == "22") {
            EXPECT_EQ(record["answer"]["pkiStatus"], 0) << line;
            EXPECT_THAT(line, Not(HasSubstr("QRY-2")));
        }
    }
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(Crl, QRY_5_QRY_7_ENV_12_an_EC_key_asks_as_well_and_agrees_upon_the_answer) {
    CrlWorld crl("scep", {}, "envelope = \"agree\"\n");
    crl.use_key("ec:p256");
    ASSERT_TRUE(crl.begin());
    EXPECT_THAT(crl.described(), HasSubstr("No Revoked Certificates"));
    EXPECT_EQ(crl.messages("22"), 1U);
    const RunResult certificate = crl.world().command({"cert", "fetch", "corp", crl.serial()});
    EXPECT_EQ(certificate.exit_code, 0) << certificate.err;
    EXPECT_THAT(certificate.out, HasSubstr("-----BEGIN CERTIFICATE-----"));
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(Crl, QRY_4_GetCRL_takes_the_place_of_distribution_points_that_a_certificate_does_not_name) {
    CrlWorld crl("cdp");
    ASSERT_TRUE(crl.begin());
    EXPECT_EQ(crl.messages("22"), 1U);
    EXPECT_TRUE(crl.world().said("name no CRL distribution point, the CA is asked by GetCRL instead"));
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(Crl, a_restart_asks_no_sooner_and_an_unchanged_list_makes_no_generation) {
    CrlWorld crl("scep");
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    EXPECT_EQ(world.stop_daemon(), 0);
    world.start_daemon();
    world.eventually("the restart", [&] { return world.listens() && world.word() == "OK"; });
    world.go_to_day(0.5);
    EXPECT_EQ(world.command({"status"}).exit_code, 0);
    EXPECT_EQ(crl.messages("22"), 1U) << "the time of the next fetch is stored";
    const std::string list = crl.list();
    world.go_to_day(1.01);
    world.eventually("the daily look", [&] { return crl.messages("22") == 2; });
    const RunResult again = crl.fetch();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("was at hand already"));
    EXPECT_EQ(crl.list(), list);
    EXPECT_EQ(world.generation(), "gen-002");
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, QRY_6_a_newer_list_is_published_and_consumers_reload) {
    TemporaryDirectory outside;
    const std::string log = (outside / "hooked").string();
    CrlWorld crl("cdp", own_point, "", "", "on_change = [[\"/bin/sh\", \"-c\", \"echo x >> " + log + "\"]]\n");
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string list = crl.list();
    const auto leaf = world.leaf();
    const auto runs = [&] {
        std::error_code missing;
        return std::filesystem::exists(log, missing) ? read_file(log).size() / 2 : 0;
    };
    world.eventually("both generations' hooks", [&] { return runs() >= 1 && world.word() == "OK"; });
    const std::size_t before = runs();
    world.go_to_day(4);  // the lab CA makes a new one after half a list's life
    world.eventually("the new list", [&] { return crl.list() != list; });
    world.eventually("the hooks", [&] { return runs() == before + 1; });
    EXPECT_EQ(world.leaf(), leaf) << "no renewal";
    EXPECT_THAT(crl.described(), HasSubstr("CRL Number"));
    EXPECT_THAT(world.messages(), ElementsAre("19"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, QRY_6_newer_lists_are_published_while_a_renewed_certificate_waits_for_its_window) {
    CrlWorld crl("cdp", own_point, "", "", "activate_window = \"Sun 00:00-23:59\"\n");  // from day 5 on
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto leaf = world.leaf();
    const std::string list = crl.list();
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the renewal", [&] { return world.messages().size() == 2 && world.word() == "DEPLOYING"; });
    world.go_to_day(4);  // the lab CA makes a new one after half a list's life
    world.eventually("the new list", [&] { return crl.list() != list; });
    EXPECT_EQ(world.leaf(), leaf) << "the window is closed";
    const std::string newer = crl.list();
    EXPECT_EQ(world.stop_daemon(), 0);
    world.start_daemon();
    world.eventually("the restart", [&] { return world.listens() && world.word() == "DEPLOYING"; });
    EXPECT_EQ(crl.list(), newer);
    EXPECT_EQ(world.leaf(), leaf);
    world.go_to_day(5.1);
    world.eventually("the window", [&] { return world.leaf() != leaf && world.word() == "OK"; });
    EXPECT_EQ(crl.list(), newer);
    EXPECT_EQ(crl.messages("19") + crl.messages("17"), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, SM_18_CSR_8_a_revoked_certificate_is_replaced_by_one_with_a_new_key_and_a_challenge) {
    for (const std::string source : {"cdp", "scep"}) {
        CrlWorld crl(source, own_point);
        ASSERT_TRUE(crl.begin()) << source;
        DaemonWorld& world = crl.world();
        const auto revoked = world.leaf();
        const std::string serial = crl.serial();
        crl.revoke("keyCompromise");
        world.go_to_day(1.01);
        world.eventually("the new certificate", [&] { return world.leaf() != revoked && world.word() == "OK"; });
        EXPECT_NE(world.leaf()->public_key(), revoked->public_key()) << source;
        EXPECT_TRUE(world.said("the certificate is revoked")) << source;
        EXPECT_EQ(crl.messages("19"), 2U) << "a PKCSReq with a challenge, which the lab CA asks of who is revoked";
        EXPECT_EQ(crl.messages("17"), 0U);
        EXPECT_THAT(crl.described(), HasSubstr("Key Compromise"));
        const RunResult history = world.command({"history", "web"});
        EXPECT_THAT(history.out, HasSubstr("the current certificate is revoked: keyCompromise since 2030-01-02T"));
        EXPECT_EQ(world.stop_daemon(), 0);
    }
}

TEST(Crl, SM_18_invariant_1_the_revoked_pair_stays_published_as_long_as_there_is_no_other) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto revoked = world.leaf();
    crl.revoke("superseded");
    world.restart_ca({"--crl-lifetime", std::to_string(7 * 86400), "--crl-point", "self", "--refuse", "badRequest:no"});
    world.go_to_day(1.01);
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_EQ(world.leaf(), revoked);
    EXPECT_TRUE(world.said("the certificate is revoked"));
    EXPECT_EQ(world.stop_daemon(), 0);
    world.restart_ca({"--crl-lifetime", std::to_string(7 * 86400), "--crl-point", "self"});
    world.start_daemon();
    world.go_to_day(2.1);
    world.eventually("the other one", [&] { return world.leaf() != revoked && world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, SM_18_a_certificate_on_hold_stays_in_use_and_people_are_told) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto leaf = world.leaf();
    const std::string serial = crl.serial();
    crl.revoke("certificateHold");
    world.go_to_day(1.01);
    world.eventually("the alert", [&] { return world.said("suspended by the CA (certificateHold"); });
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.times_said("suspended by the CA"), 1U);
    EXPECT_EQ(world.ask_lab("/lab/restore?serial=" + serial), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    world.eventually("its end", [&] { return world.said("is not suspended any more"); });
    EXPECT_EQ(world.leaf(), leaf);
    EXPECT_THAT(world.messages(), ElementsAre("19"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, once_fetches_and_publishes_as_well) {
    CrlWorld crl("cdp", own_point);
    DaemonWorld& world = crl.world();
    const RunResult first = world.once({{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}});
    EXPECT_EQ(first.exit_code, 0) << first.err;
    EXPECT_THAT(crl.described(), HasSubstr("CRL Number"));
}

TEST(Crl, once_succeeds_although_the_list_cannot_be_had) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--crl-form", "gone"});
    DaemonWorld& world = crl.world();
    const RunResult first = world.once({{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}});
    EXPECT_EQ(first.exit_code, 0) << first.err;
    EXPECT_THAT(first.err, HasSubstr("E-CRL-UNUSABLE"));
    EXPECT_TRUE(world.leaf());
    EXPECT_FALSE(crl.has_list());
}

TEST(Crl, off_takes_the_list_away_and_on_brings_it_back) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    crl.use("off");
    world.eventually("the list's end", [&] { return !crl.has_list() && world.word() == "OK"; });
    const RunResult refused = crl.fetch();
    EXPECT_EQ(refused.exit_code, 78);
    EXPECT_THAT(refused.err, HasSubstr("'crl' of this CA is \"off\""));
    crl.use("scep");
    world.eventually("the list", [&] { return crl.has_list(); });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, QRY_1_QRY_3_cert_fetch_brings_a_certificate_by_its_serial_number) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string serial = crl.serial();
    const RunResult fetched = world.command({"cert", "fetch", "corp", serial});
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    EXPECT_EQ(fetched.out, read_file(world.live() / "cert.pem"));
    EXPECT_EQ(crl.messages("21"), 1U);
    const std::string file = (world.directory() / "fetched.pem").string();
    const RunResult written = world.command({"cert", "fetch", "corp", serial, "--out", file, "--json"});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    EXPECT_EQ(nlohmann::json::parse(written.out)["certificate"], fetched.out);
    EXPECT_EQ(read_file(file), fetched.out);
    const RunResult unknown = world.command({"cert", "fetch", "corp", "1234"});
    EXPECT_EQ(unknown.exit_code, 76);
    EXPECT_THAT(unknown.err, StartsWith("E-CA-REJECTED ca corp: "));
    EXPECT_EQ(world.command({"cert", "fetch", "corp", "xyz"}).exit_code, 64);
    EXPECT_EQ(world.command({"cert", "fetch", "elsewhere", "12"}).exit_code, 64);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, SEC_15_cert_fetch_replaces_a_file_whole_and_writes_through_no_link) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::filesystem::path place = world.directory() / "fetched";
    std::filesystem::create_directory(place);
    const std::filesystem::path file = place / "web.pem";
    const auto fetch_to = [&](const std::filesystem::path& out) {
        return world.command({"cert", "fetch", "corp", crl.serial(), "--out", out.string()});
    };
    write_file(file, "older", 0644);
    std::filesystem::create_hard_link(file, place / "reader.pem");
    EXPECT_EQ(fetch_to(file).exit_code, 0);
    EXPECT_EQ(read_file(file), read_file(world.live() / "cert.pem"));
    EXPECT_EQ(read_file(place / "reader.pem"), "older") << "whoever has it open goes on with the old one";
    const std::filesystem::path victim = place / "victim";
    write_file(victim, "precious", 0600);
    std::filesystem::create_symlink(victim, place / "link.pem");
    std::filesystem::create_symlink(place / "nowhere", place / "dangling.pem");
    std::filesystem::create_directory(place / "directory");
    for (const char* name : {"link.pem", "dangling.pem", "directory", "missing/web.pem"}) {
        const RunResult refused = fetch_to(place / name);
        EXPECT_EQ(refused.exit_code, 73) << name << refused.out;
        EXPECT_THAT(refused.err, StartsWith("E-OUTPUT-FILE cannot write '" + (place / name).string() + "'")) << name;
    }
    EXPECT_THAT(fetch_to(place / "link.pem").err, HasSubstr("symbolic link, which is never followed"));
    EXPECT_THAT(fetch_to("/dev/null").err, HasSubstr("it is no regular file"));
    EXPECT_EQ(read_file(victim), "precious");
    EXPECT_FALSE(std::filesystem::exists(place / "nowhere"));
    const auto left = std::distance(std::filesystem::directory_iterator(place), {});
    EXPECT_EQ(left, 6) << "no temporary file is left";
    EXPECT_EQ(world.stop_daemon(), 0);
}

// A machine that has lost its state, and whose CA lets it wait, has a key and no certificate.
TEST(Crl, QRY_1_QRY_7_a_query_is_signed_by_a_self_signed_certificate_while_there_is_no_other) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string serial = crl.serial();
    const std::string certificate = read_file(world.live() / "cert.pem");
    EXPECT_EQ(world.stop_daemon(), 0);
    std::filesystem::remove_all(world.directory() / "state");
    std::filesystem::remove_all(world.directory() / "live");
    world.restart_ca({"--pending-until-approved"});
    world.start_daemon();
    world.eventually("the request that waits", [&] { return world.pending() == 1; });
    const RunResult fetched = world.command({"cert", "fetch", "corp", serial});
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    EXPECT_EQ(fetched.out, certificate);
    const std::string last = world.requests().back();
    EXPECT_EQ(nlohmann::json::parse(last)["messageType"], "21") << last;
    EXPECT_TRUE(nlohmann::json::parse(last)["findings"].empty()) << last;
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Crl, commands_that_use_a_key_need_the_daemon) {
    CrlWorld crl("cdp");
    for (const std::vector<std::string>& line :
         {std::vector<std::string>{"crl", "fetch", "corp"}, {"cert", "fetch", "corp", "12"}}) {
        const RunResult refused = crl.world().command(line);
        EXPECT_EQ(refused.exit_code, 69);
        EXPECT_THAT(refused.err, StartsWith("E-CONTROL-NO-AGENT"));
    }
}

}  // namespace
}  // namespace hwenroll::test
