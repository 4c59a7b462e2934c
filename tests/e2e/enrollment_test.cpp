// A first enrollment end to end: the real agent, worker and token against two SCEP servers.
#include <atomic>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/support/private_network.h"
#include "tests/support/scripted_server.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Enrolls, checks everything that can be seen from outside, and runs again.
void expect_enrollment(const EnrollmentWorld& world) {
    const RunResult first = world.once();
    ASSERT_EQ(first.exit_code, 0) << first.err;
    EXPECT_THAT(first.out, IsEmpty()) << "quiet off a terminal";
    world.expect_published();
    world.expect_no_canary({first.out, first.err});
    const std::string certificate = read_file(world.live() / "cert.pem");
    const RunResult second = world.once();
    EXPECT_EQ(second.exit_code, 0) << second.err;
    EXPECT_EQ(read_file(world.live() / "cert.pem"), certificate);
}

/// No finding of the CA's lint (SRV-14) and only these operations, in this order.
void expect_requests(const EnrollmentWorld& world, const std::vector<std::string>& operations) {
    const auto requests = world.requests();
    ASSERT_EQ(requests.size(), operations.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        EXPECT_THAT(requests[i], HasSubstr(operations[i]));
        EXPECT_THAT(requests[i], Not(HasSubstr("\"ok\":false"))) << "lint";
    }
}

TEST(Enrollment, HTTP_7_HTTP_20_CAPS_1_CACERT_1_by_post_against_the_lab_ca) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    expect_enrollment(world);
    expect_requests(world, {"GetCACaps", "GetCACert", "PKIOperation"});
    EXPECT_THAT(world.requests()[2], HasSubstr("\"method\":\"POST\""));
}

TEST(Enrollment, CT_4_HTTP_5_HTTP_10_a_message_alone_has_a_body_and_its_type) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_EQ(world.once().exit_code, 0);
    const auto requests = world.requests();
    ASSERT_EQ(requests.size(), 3U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_THAT(requests[i], AllOf(HasSubstr("\"method\":\"GET\""), HasSubstr("\"bodyLength\":0,"),
                                       HasSubstr("\"contentType\":null")));
    }
    EXPECT_THAT(requests[2], AllOf(HasSubstr("\"method\":\"POST\""), Not(HasSubstr("\"bodyLength\":0,")),
                                   HasSubstr("\"contentType\":\"application/x-pki-message\"")));
}

TEST(Enrollment, CT_5_CT_6_the_labels_of_answers_decide_nothing) {
    EnrollmentWorld world;
    world.start_lab_ca();
    std::atomic<int> relabelled = 0;
    const TamperingProxy proxy(
        world.port(),
        [&relabelled](const std::string& response) {
            static const std::regex label("content-type: [^\r]*", std::regex::icase);
            relabelled += std::regex_search(response.substr(0, response.find("\r\n\r\n")), label) ? 1 : 0;
            return std::regex_replace(response, label, "Content-Type: image/png",
                                      std::regex_constants::format_first_only);
        },
        "operation=");
    world.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(relabelled, 3) << "capabilities, certificates and the reply";
    world.expect_published();
}

TEST(Enrollment, HTTP_11_SEC_2_by_get_where_the_ca_does_not_announce_post) {
    EnrollmentWorld world;
    world.start_lab_ca({"--no-post"});
    world.configure();
    expect_enrollment(world);
    expect_requests(world, {"GetCACaps", "GetCACert", "PKIOperation"});
    EXPECT_THAT(world.requests()[2], HasSubstr("\"method\":\"GET\""));
}

TEST(Enrollment, by_get_where_the_configuration_says_so) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.ca_extra = "http = \"get\""});
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
    EXPECT_THAT(world.requests()[2], HasSubstr("\"method\":\"GET\""));
}

TEST(Enrollment, with_an_rsa_3072_key) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.key = "rsa:3072"});
    const RunResult result = world.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
    const auto certificate = certificates_from_pem(read_file(world.live() / "cert.pem"));
    ASSERT_TRUE(certificate);
    EXPECT_EQ(certificate->front().public_key().bits(), 3072);
}

TEST(Enrollment, CSR_3_the_certificate_has_the_names_and_usages_that_were_asked_for) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.identity_extra = "san = [\"dns:web01.example.com\", \"ip:192.0.2.1\", \"email:a@example.com\"]\n"
                                       "key_usage = [\"digitalSignature\", \"keyEncipherment\"]\n"
                                       "extended_key_usage = [\"serverAuth\", \"clientAuth\"]\n"});
    ASSERT_EQ(world.once().exit_code, 0);
    const RunResult text = run({"openssl", "x509", "-in", (world.live() / "cert.pem").string(), "-noout", "-text"});
    EXPECT_THAT(text.out, AllOf(HasSubstr("DNS:web01.example.com"), HasSubstr("IP Address:192.0.2.1"),
                                HasSubstr("email:a@example.com"), HasSubstr("TLS Web Server Authentication"),
                                HasSubstr("Digital Signature, Key Encipherment")));
}

TEST(Enrollment, several_urls_are_tried_in_order) {
    EnrollmentWorld world;
    world.start_lab_ca();
    // Port 9 of loopback has no listener here: connections are refused at once.
    world.configure({.url = "http://127.0.0.1:9/scep\", \"" + world.url()});
    std::string text = read_file(world.config());
    const std::size_t from = text.find("url = ");
    const std::size_t end = text.find('\n', from);
    text.replace(from, end - from, "url = [\"http://127.0.0.1:9/scep\", \"" + world.url() + "\"]");
    write_file(world.config(), text);
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
}

TEST(Enrollment, HTTP_28_N1_several_urls_are_tried_where_a_server_is_in_trouble) {
    EnrollmentWorld world;
    world.start_lab_ca();
    const ScriptedServer busy(
        {{receive(), send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")}});
    world.configure();
    std::string text = read_file(world.config());
    const std::string only = "url = \"" + world.url() + "\"";
    ASSERT_NE(text.find(only), std::string::npos);
    text.replace(text.find(only), only.size(), "url = [\"" + busy.url() + "\", \"" + world.url() + "\"]");
    write_file(world.config(), text);
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
    ASSERT_EQ(busy.requests().size(), 1U) << "whatever follows begins where the first question came through";
    EXPECT_THAT(busy.requests().front(), HasSubstr("operation=GetCACaps"));
}

TEST(Enrollment, the_published_files_are_those_of_the_design_and_the_key_file_is_a_reference) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_EQ(world.once().exit_code, 0);
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(world.live())) {
        names.insert(entry.path().filename().string());
    }
    EXPECT_EQ(names, (std::set<std::string>{"ca.pem", "cert.pem", "chain.pem", "fullchain.pem", "identity.json",
                                            "key.pem", "key.uri"}));
    EXPECT_THAT(read_file(world.live() / "key.pem"),
                AllOf(HasSubstr("-----BEGIN PKCS#11 PROVIDER URI-----"), Not(HasSubstr("PRIVATE KEY"))));
    EXPECT_THAT(read_file(world.live() / "key.uri"), HasSubstr("pkcs11:token=lab;id=%"));
}

/// Debian's scepserver in a network of the test's own.
class ScepserverEnrollment : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_network();
        world_.start_scepserver(19001);
    }
    static ConfigurationChanges permitted() {
        // This server issues digitalSignature and clientAuth only, without names (servers.md).
        return {.ca_extra = "legacy = [\"des-cbc-reply\", \"sha1-reply\"]\nlegacy_until = 2099-12-31\n",
                .identity_extra = "key_usage = [\"digitalSignature\"]\nextended_key_usage = [\"clientAuth\"]\n"};
    }
    EnrollmentWorld world_;
};

TEST_F(ScepserverEnrollment, by_post_with_the_legacy_permission) {
    world_.configure(permitted());
    expect_enrollment(world_);
}

TEST_F(ScepserverEnrollment, by_get_with_the_legacy_permission) {
    auto changes = permitted();
    changes.ca_extra += "http = \"get\"\n";
    world_.configure(changes);
    expect_enrollment(world_);
}

TEST_F(ScepserverEnrollment, ALG_9_without_the_permission_it_fails_clearly_and_publishes_nothing) {
    auto changes = permitted();
    changes.ca_extra.clear();
    world_.configure(changes);
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 76);
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-SCEP-ALGORITHM web: "), HasSubstr("SHA-1"), HasSubstr("legacy")));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    changes.ca_extra = "legacy = [\"sha1-reply\"]\nlegacy_until = 2099-12-31\n";
    world_.configure(changes);
    const RunResult half = world_.once();
    EXPECT_EQ(half.exit_code, 76);
    EXPECT_THAT(half.err, AllOf(HasSubstr("E-SCEP-ALGORITHM web: "), HasSubstr("DES")));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
}

TEST_F(ScepserverEnrollment, a_permission_that_has_run_out_permits_nothing) {
    auto changes = permitted();
    changes.ca_extra = "legacy = [\"des-cbc-reply\", \"sha1-reply\"]\nlegacy_until = 2020-01-01\n";
    world_.configure(changes);
    const RunResult result = world_.once();
    EXPECT_NE(result.exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
}

TEST_F(ScepserverEnrollment, a_wrong_challenge_is_the_cas_refusal) {
    auto changes = permitted();
    write_file(world_.directory() / "other.challenge", "not-it", 0600);
    changes.challenge = "file:" + (world_.directory() / "other.challenge").string();
    world_.configure(changes);
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 76);
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CA-REJECTED web: "), HasSubstr("badRequest")));
}

}  // namespace
}  // namespace hwenroll::test
