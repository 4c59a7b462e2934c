// Answers to GetCert and GetCRL, and lists, that must not be believed, over the real HTTP client (BAD-135 … BAD-140).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/e2e/crl_world.h"
#include "tests/support/scripted_server.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::vector<std::string> own_point{"--crl-point", "self"};

/// `crl fetch` is refused with this code and words, and nothing changes for consumers.
void expect_refused(CrlWorld& crl, const std::string& form, const std::string& code, const std::string& why) {
    DaemonWorld& world = crl.world();
    const std::string list = crl.list();
    const std::string generation = world.generation();
    crl.hand_out(form);
    const RunResult refused = crl.fetch();
    EXPECT_EQ(refused.exit_code, 76) << form << refused.out;
    EXPECT_THAT(refused.err, StartsWith(code + " ca corp: ")) << form;
    EXPECT_THAT(refused.err, HasSubstr(why)) << form;
    EXPECT_EQ(crl.list(), list) << form;
    EXPECT_EQ(world.generation(), generation) << form;
    EXPECT_EQ(world.word(), "OK") << form;
    const auto status = nlohmann::json::parse(world.command({"status", "--json"}).out)["identities"][0];
    EXPECT_THAT(status["crl"]["failure"].get<std::string>(), HasSubstr(why)) << form;
    EXPECT_TRUE(world.said(why)) << form;
}

TEST(CrlFault, BAD_138_lists_that_must_not_be_believed_are_refused_whoever_hands_them_out) {
    for (const std::string source : {"cdp", "scep"}) {
        CrlWorld crl(source, own_point);
        ASSERT_TRUE(crl.begin()) << source;
        expect_refused(crl, "other-issuer", "E-CRL-UNUSABLE", "of another issuer");
        expect_refused(crl, "bad-signature", "E-CRL-UNUSABLE", "signature of the CRL does not verify");
        expect_refused(crl, "older", "E-CRL-UNUSABLE", "older than the one at hand");
        expect_refused(crl, "expired", "E-CRL-UNUSABLE", "has expired");
        expect_refused(crl, "delta", "E-CRL-UNUSABLE", "delta CRL");
        expect_refused(crl, "critical", "E-CRL-UNUSABLE", "1.2.3.4.5 is not understood");
        crl.hand_out("good");
        EXPECT_EQ(crl.fetch().exit_code, 0);
        EXPECT_EQ(crl.world().stop_daemon(), 0);
    }
}

TEST(CrlFault, BAD_137_a_certificate_in_place_of_the_list_is_refused) {
    CrlWorld crl("scep");
    ASSERT_TRUE(crl.begin());
    expect_refused(crl, "certificate", "E-CRL-UNUSABLE", "holds no CRL");
    crl.hand_out("gone");
    const RunResult refused = crl.fetch();
    EXPECT_EQ(refused.exit_code, 76);
    EXPECT_THAT(refused.err, StartsWith("E-CA-REJECTED")) << "FI-4: badCertId";
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(CrlFault, BAD_139_a_download_is_cut_at_max_crl_bytes) {
    CrlWorld crl("cdp", own_point, "", "[limits]\nmax_crl_bytes = 65536\n");
    ASSERT_TRUE(crl.begin());
    expect_refused(crl, "huge", "E-CA-TOO-BIG", "the limit is a key of [limits]");
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(CrlFault, BAD_140_a_redirect_to_a_file_is_not_followed) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    expect_refused(crl, "to-file", "E-CA-REDIRECT", "file:");
    expect_refused(crl, "gone", "E-CRL-UNUSABLE", "answered HTTP 404");
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(CrlFault, SEC_17_BAD_140_a_distribution_point_of_another_scheme_is_not_asked) {
    CrlWorld crl("cdp", {"--crl-point", "file:///etc/passwd", "--crl-point", "ldap://127.0.0.1/cn=x"});
    DaemonWorld& world = crl.world();
    world.start_daemon();
    world.eventually("the refusal", [&] { return world.said("E-CRL-UNUSABLE"); });
    EXPECT_TRUE(world.said("names no CRL distribution point of http or https (it names file:///etc/passwd, ldap:"));
    EXPECT_EQ(crl.messages("22"), 0U) << "QRY-4: GetCRL is for certificates that name none";
    EXPECT_EQ(world.word(), "OK");
    EXPECT_FALSE(crl.has_list());
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, the_next_distribution_point_is_asked_where_one_fails) {
    CrlWorld crl("cdp", {"--crl-point", "http://127.0.0.1:1/nobody.crl", "--crl-point", "self"});
    EXPECT_TRUE(crl.begin());
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(CrlFault, the_next_distribution_point_is_asked_where_one_has_a_bad_list) {
    const std::string page = "<html>log in</html>";
    ScriptedServer portal({{receive(), send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(page.size()) +
                                            "\r\nConnection: close\r\n\r\n" + page)}});
    CrlWorld crl("cdp", {"--crl-point", portal.url("/portal.crl"), "--crl-point", "self"});
    EXPECT_TRUE(crl.begin());
    EXPECT_FALSE(portal.requests().empty());
    EXPECT_FALSE(crl.world().said("E-CRL-UNUSABLE"));
    EXPECT_EQ(crl.world().stop_daemon(), 0);
}

TEST(CrlFault, invariant_11_a_list_that_has_ended_stays_published_and_people_are_told) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const std::string list = crl.list();
    crl.hand_out("gone");
    world.go_to_day(8);
    world.eventually("the alert", [&] { return world.said("the CRL has ended at 2030-01-08"); });
    EXPECT_EQ(crl.list(), list);
    EXPECT_EQ(world.word(), "OK");
    crl.hand_out("good");
    world.go_to_day(9);
    world.eventually("the next list", [&] { return crl.list() != list; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, BAD_49_SIG_14_SEC_3_a_revoked_RA_signs_no_reply_and_receives_no_request) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--topology", "split-ra"});
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto leaf = world.leaf();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=signer"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the refusal", [&] { return world.said("E-SCEP-SIGNER web: "); });
    EXPECT_TRUE(world.said("is revoked and signs no reply any more"));
    const std::size_t sent = world.messages().size();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=recipient"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    world.go_to_day(1);
    world.eventually("the other refusal", [&] { return world.said("requests would be encrypted to it"); });
    EXPECT_EQ(world.messages().size(), sent) << "nobody is told the challenge";
    EXPECT_EQ(world.leaf(), leaf);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, BAD_49_SIG_14_an_RA_is_not_judged_by_a_list_that_does_not_verify) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--topology", "split-ra"});
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto leaf = world.leaf();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=signer"), "done\n");
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=recipient"), "done\n");
    for (const char* form : {"bad-signature", "other-issuer"}) {
        crl.hand_out(form);
        EXPECT_EQ(crl.fetch().exit_code, 76) << form;
    }
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the renewal", [&] { return world.leaf() != leaf && world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, K1_BAD_49_SM_18_nothing_is_held_against_a_certificate_by_a_clock_that_is_not_trusted) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--topology", "split-ra"});
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    world.go_to_day(0.9);
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=signer"), "done\n");
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=recipient"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.stop_daemon(), 0);
    const std::size_t before = world.messages().size();
    world.go_to_day(-2000);  // before the program was made
    world.start_daemon();
    world.eventually("the doubt", [&] { return world.said("the clock is not trusted") && world.listens(); });
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the request", [&] { return world.messages().size() > before; });
    EXPECT_FALSE(world.said("is revoked")) << "the list may be of tomorrow";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, K1_BAD_49_SEC_3_an_RA_that_passed_under_a_doubted_clock_is_judged_again_under_a_trusted_one) {
    // Hours after the program was made: the clock is doubted before that, and what was fetched then is not asked for
    // again for a day.
    CrlWorld crl("cdp", {"--crl-point", "self", "--topology", "split-ra"}, "", "", "",
                 std::chrono::sys_days(std::chrono::year(2026) / 11 / 1) + std::chrono::hours(6));
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=recipient"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.stop_daemon(), 0);
    world.go_to_day(-0.3);
    world.start_daemon();
    world.eventually("the doubt", [&] { return world.said("the clock is not trusted") && world.listens(); });
    const std::size_t before = world.messages().size();
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the request", [&] { return world.messages().size() > before && world.said("E-CA-REJECTED"); });
    world.go_to_day(0.05);
    world.eventually("the trust", [&] { return world.command({"renew", "web"}).exit_code == 0; });
    world.eventually("the refusal", [&] { return world.said("requests would be encrypted to it"); });
    EXPECT_EQ(world.stop_daemon(), 0);
}

// Only the list can say that an RA is suspended no more, and under "scep" it comes from that RA.
TEST(CrlFault, QRY_5_SIG_14_SEC_3_a_suspended_RA_is_trusted_again_by_the_list_that_it_hands_out) {
    CrlWorld crl("scep", {"--topology", "one-ra"});
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto leaf = world.leaf();
    EXPECT_EQ(world.ask_lab("/lab/revoke-ra?role=signer"), "done\n");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the refusal", [&] { return world.said("requests would be encrypted to it"); });
    const RunResult certificate = world.command({"cert", "fetch", "corp", crl.serial()});
    EXPECT_EQ(certificate.exit_code, 76) << certificate.out;
    EXPECT_THAT(certificate.err, HasSubstr("is revoked"));
    EXPECT_EQ(crl.messages("21"), 0U) << "GetCert's answer has no signature but the RA's";

    const std::size_t asked = crl.messages("22");
    const RunResult same = crl.fetch();
    EXPECT_EQ(same.exit_code, 0) << same.err;
    EXPECT_EQ(crl.messages("22"), asked + 1);
    const auto ra = certificates_from_pem(read_file(world.directory() / "ca" / "ra.pem"));
    ASSERT_TRUE(ra) << ra.error().line();
    EXPECT_EQ(world.ask_lab("/lab/restore?serial=" + to_hex(ra->front().serial())), "done\n");
    const RunResult restored = crl.fetch();
    EXPECT_EQ(restored.exit_code, 0) << restored.err;
    world.go_to_day(1);
    world.eventually("the renewal", [&] { return world.leaf() != leaf && world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

// step-ca answers GetCert and GetCRL with status 500 and a text.
TEST(CrlFault, QRY_9_Q_STEP_1_a_ca_that_knows_no_queries_costs_the_identity_nothing) {
    CrlWorld crl("scep", {"--fault", "GetCRL:*:status-500", "--fault", "GetCert:*:status-500"});
    DaemonWorld& world = crl.world();
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const RunResult list = crl.fetch();
    EXPECT_EQ(list.exit_code, 69) << list.err;
    EXPECT_THAT(list.err, StartsWith("E-CA-HTTP ca corp: "));
    EXPECT_FALSE(crl.has_list());
    const RunResult certificate = world.command({"cert", "fetch", "corp", crl.serial()});
    EXPECT_EQ(certificate.exit_code, 69) << certificate.err;
    EXPECT_THAT(certificate.err, StartsWith("E-CA-HTTP ca corp: "));
    EXPECT_EQ(world.word(), "OK");
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlFault, BAD_135_BAD_136_answers_to_GetCert_that_are_none) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    crl.answer_get_cert("other-serial");
    const RunResult other = world.command({"cert", "fetch", "corp", crl.serial()});
    EXPECT_EQ(other.exit_code, 76);
    EXPECT_THAT(other.err, StartsWith("E-SCEP-NO-CERTIFICATE ca corp: "));
    crl.answer_get_cert("pending");
    const RunResult pending = world.command({"cert", "fetch", "corp", crl.serial()});
    EXPECT_EQ(pending.exit_code, 76);
    EXPECT_THAT(pending.err, StartsWith("E-SCEP-STATUS ca corp: "));
    EXPECT_EQ(world.word(), "OK");
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
