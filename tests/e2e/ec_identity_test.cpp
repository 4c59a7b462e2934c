// Identities with EC keys, in each of the three ways that replies reach one (ENV-12 to ENV-14), over the real programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/store/store.h"
#include "base/pem.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/e2e/tpm_consumer.h"
#include "tests/support/clock_file.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* pkcs_req = "19";
constexpr const char* renewal_req = "17";
constexpr const char* cert_poll = "20";
constexpr TimePoint beginning = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);

/// A way for replies, and what the CA is told for it.
struct Way {
    const char* envelope;
    std::vector<std::string> ca_options;
    const char* renewal_type;  ///< message type of a renewal
    int most_keys;             ///< on the token at once, up to the end of the first enrollment
};

void PrintTo(const Way& way, std::ostream* out) {
    *out << way.envelope << (way.ca_options.size() > 2 ? ", EC CA" : "");
}

class EcIdentity : public testing::Test {
 protected:
    void start(const Way& way, std::vector<std::string> more = {}) {
        std::vector<std::string> options{
            "--clock-file", clock_.path().string(), "--lifetime", std::to_string(120L * 86400), "--renewal", "both"};
        options.insert(options.end(), way.ca_options.begin(), way.ca_options.end());
        options.insert(options.end(), more.begin(), more.end());
        world_.start_lab_ca(options);
        configure(way.envelope);
    }

    void configure(const std::string& envelope, ConfigurationChanges changes = {}, const char* key = "ec:p256") {
        changes.key = key;
        changes.ca_extra += "envelope = \"" + envelope + "\"\n";
        changes.identity_extra =
            "san = [\"dns:web01.example.com\"]\nretire_after = \"0s\"\npoll = { start = \"1s\", max = \"1s\" }\n";
        world_.configure(changes);
    }

    [[nodiscard]] RunResult once() const {
        return world_.once({{"HWENROLL_CLOCK_FILE=" + clock_.path().string()}, {}, {}});
    }

    void expect_ok() const {
        const RunResult result = once();
        EXPECT_EQ(result.exit_code, 0) << result.err;
        world_.expect_published(clock_.now());
        world_.expect_no_canary({result.out, result.err});
        EXPECT_EQ(leaf().public_key().text(), "EC P-256");
    }

    [[nodiscard]] Certificate leaf() const {
        return certificates_from_pem(read_file(world_.live() / "cert.pem")).value().front();
    }

    /// The CA's log of enrollment messages and polls, without a finding of its lint.
    [[nodiscard]] std::vector<std::string> types() const {
        std::vector<std::string> out;
        for (const std::string& line : world_.requests()) {
            const json record = json::parse(line);
            EXPECT_TRUE(record["findings"].empty()) << line;
            if (record["operation"] == "PKIOperation") {
                out.push_back(record["messageType"].get<std::string>());
            }
        }
        return out;
    }

    EnrollmentWorld world_;
    ClockFile clock_{world_.directory() / "clock", beginning};
};

const Way agree{"agree", {"--reply-envelope", "auto"}, renewal_req, 1};
const Way password{"password", {"--reply-envelope", "pwri"}, renewal_req, 1};
const Way password_of_ec_ca{"password", {"--reply-envelope", "pwri", "--ca-key", "ec"}, renewal_req, 1};
const Way token_rsa{"token-rsa", {"--reply-envelope", "auto"}, pkcs_req, 2};

class EcIdentityByEachWay : public EcIdentity, public testing::WithParamInterface<Way> {};

TEST_P(EcIdentityByEachWay, ENV_12_ENV_13_ENV_14_REN_3_is_enrolled_and_renewed) {
    start(GetParam());
    expect_ok();
    EXPECT_THAT(types(), ElementsAre(pkcs_req));
    const Certificate first = leaf();

    clock_.set(beginning + std::chrono::days(91));
    expect_ok();
    EXPECT_THAT(types(), ElementsAre(pkcs_req, GetParam().renewal_type));
    EXPECT_NE(leaf().public_key(), first.public_key());
    EXPECT_GT(leaf().not_after(), first.not_after());
}

TEST_P(EcIdentityByEachWay, SM_9_SM_10_SM_16_is_polled_over_restarts_until_the_certificate_comes) {
    start(GetParam(), {"--pending", "2"});
    const RunResult first = once();
    EXPECT_EQ(first.exit_code, 75) << first.err;
    EXPECT_EQ(world_.objects("Private Key Object"), GetParam().most_keys);
    clock_.advance(Seconds(5));
    const RunResult second = once();
    EXPECT_EQ(second.exit_code, 75) << second.err;
    EXPECT_EQ(world_.objects("Private Key Object"), GetParam().most_keys) << "the same keys";
    clock_.advance(Seconds(5));
    expect_ok();
    EXPECT_THAT(types(), ElementsAre(pkcs_req, cert_poll, cert_poll));
}

INSTANTIATE_TEST_SUITE_P(Ways, EcIdentityByEachWay, testing::Values(agree, password, password_of_ec_ca, token_rsa));

// A CA that cannot answer an EC key: the RSA key that takes its place asks for itself, with the challenge.
TEST_P(EcIdentityByEachWay, ENV_12_SM_15_is_renewed_with_an_rsa_key_when_the_configuration_says_so) {
    start(GetParam());
    expect_ok();
    configure(GetParam().envelope, {}, "rsa:2048");
    clock_.advance(Seconds(3600));
    const RunResult renewed = once();
    EXPECT_EQ(renewed.exit_code, 0) << renewed.err;
    EXPECT_TRUE(leaf().public_key().is_rsa());
    const bool agrees = std::string_view(GetParam().envelope) == "agree";
    EXPECT_THAT(types(), ElementsAre(pkcs_req, agrees ? renewal_req : pkcs_req));
}

TEST_F(EcIdentity, is_enrolled_beside_an_rsa_identity_of_the_same_ca_whatever_envelope_says) {
    start(password_of_ec_ca);
    const std::string configuration = read_file(world_.config());
    write_file(world_.config(), configuration +
                                    "[identity.other]\nca = \"corp\"\ntoken = \"lab\"\nkey = \"rsa:2048\"\n"
                                    "subject = \"CN=other\"\n");
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto other =
        certificates_from_pem(read_file(world_.live().parent_path().parent_path() / "other" / "current" / "cert.pem"));
    ASSERT_TRUE(other) << other.error().line();
    EXPECT_EQ(other->front().public_key().text(), "RSA 2048");
    EXPECT_THAT(types(), ElementsAre(pkcs_req, pkcs_req));
}

TEST_F(EcIdentity, TOK_2_without_a_way_for_replies_nothing_is_asked) {
    start(agree);
    configure("auto");
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CONFIG-VALUE identity.web"), HasSubstr("\"agree\""),
                                  HasSubstr("\"password\""), HasSubstr("\"token-rsa\"")));
    EXPECT_THAT(world_.requests(), IsEmpty());
    EXPECT_EQ(world_.objects("Private Key Object"), 0);
}

TEST_F(EcIdentity, ENV_13_a_challenge_for_one_use_is_refused_before_anything_is_asked) {
    start(agree);
    for (const char* envelope : {"password", "token-rsa"}) {
        configure(envelope, {.challenge = "exec:/usr/bin/otp"});
        const RunResult result = once();
        EXPECT_EQ(result.exit_code, 78);
        EXPECT_THAT(result.err, AllOf(HasSubstr("E-CONFIG-VALUE identity.web"), HasSubstr("a command's")));
        const RunResult checked = world_.hwenroll({"check-config"});
        EXPECT_EQ(checked.exit_code, 78);
        EXPECT_THAT(checked.out + checked.err, HasSubstr("a command's"));
    }
    EXPECT_THAT(world_.requests(), IsEmpty());
}

TEST_F(EcIdentity, ENV_9_an_empty_challenge_sends_no_request) {
    start(password);
    write_file(world_.directory() / "empty.challenge", "", 0600);
    for (const char* envelope : {"password", "token-rsa"}) {
        configure(envelope, {.challenge = "file:" + (world_.directory() / "empty.challenge").string()});
        const RunResult result = once();
        EXPECT_EQ(result.exit_code, 78) << result.err;
        EXPECT_THAT(result.err, HasSubstr("E-CHALLENGE-SOURCE web: "));
    }
    EXPECT_THAT(types(), IsEmpty());
}

TEST_F(EcIdentity, ENV_9_a_short_challenge_that_encrypts_is_warned_of) {
    write_file(world_.directory() / "corp.challenge", "canary", 0600);
    start(password);
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("fewer than 16 characters"));
    world_.expect_no_canary({result.out, result.err});
}

TEST_F(EcIdentity, ENV_7_ENV_8_a_ca_without_an_rsa_key_is_sent_nothing_that_is_not_encrypted) {
    start(password_of_ec_ca);
    for (const char* envelope : {"agree", "token-rsa"}) {
        configure(envelope);
        const RunResult result = once();
        EXPECT_EQ(result.exit_code, 76) << result.err;
        EXPECT_THAT(result.err, AllOf(HasSubstr("E-CA-NO-RECIPIENT"), HasSubstr("envelope = \"password\"")));
    }
    EXPECT_THAT(types(), IsEmpty());
}

// GetCACert is not signed: whoever is on the way can leave the RA out and have requests go under the challenge, which
// he may guess from what he records.
TEST_F(EcIdentity, SEC_5_ENV_5_an_RSA_RA_that_is_hidden_moves_no_request_under_the_challenge) {
    start({"password", {"--reply-envelope", "pwri", "--topology", "ec-ca"}, renewal_req, 1});
    expect_ok();
    const Certificate ca = certificates_from_pem(read_file(world_.directory() / "ca" / "ca.pem")).value().front();
    ASSERT_TRUE(ca.public_key().is_ec());
    const TamperingProxy proxy(
        world_.port(),
        [&](const std::string&) {
            return http_response("200 OK", "application/x-x509-ca-cert", std::string(as_text(ca.der())));
        },
        "GetCACert");
    configure("password", {.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    clock_.set(beginning + std::chrono::days(91));
    const RunResult refused = once();
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-NO-RECIPIENT"), HasSubstr("would go under the challenge")));
    EXPECT_THAT(types(), ElementsAre(pkcs_req)) << "nothing but the first enrollment was sent";
    configure("password");
    clock_.advance(std::chrono::hours(2));
    expect_ok();
    EXPECT_THAT(types(), ElementsAre(pkcs_req, renewal_req));
}

// What one CA had promises nothing for another one that the operator has named beside it.
TEST_F(EcIdentity, SEC_5_ENV_5_a_ca_that_the_operator_pins_beside_the_present_one_may_have_no_RSA_key) {
    start({"password", {"--reply-envelope", "pwri", "--topology", "ec-ca"}, renewal_req, 1});
    expect_ok();
    const std::filesystem::path other = world_.directory() / "other-ca";
    const std::filesystem::path ready = world_.directory() / "other-ca.url";
    ChildProcess lab({program("scep-lab-ca"), "--dir", other.string(), "--listen", "127.0.0.1:0", "--challenge-file",
                      (world_.directory() / "corp.challenge").string(), "--ready-file", ready.string(), "--clock-file",
                      clock_.path().string(), "--reply-envelope", "pwri", "--ca-key", "ec"});
    for (int i = 0; i < 1000 && !std::filesystem::exists(ready); ++i) {
        ASSERT_FALSE(lab.wait(std::chrono::milliseconds(10))) << lab.err();
    }
    std::string url = read_file(ready);
    url.erase(url.find_last_not_of('\n') + 1);
    configure("password", {.url = url});
    const auto pin = [](const std::filesystem::path& directory) {
        const auto ca = certificates_from_pem(read_file(directory / "ca.pem"));
        return "\"SHA256:" + to_hex(ca.value().front().fingerprint(), ':') + "\"";
    };
    std::string text = read_file(world_.config());
    const std::size_t from = text.find("fingerprint = ");
    text.replace(from, text.find('\n', from) - from,
                 "fingerprint = [" + pin(world_.directory() / "ca") + ", " + pin(other) + "]");
    write_file(world_.config(), text);
    clock_.set(beginning + std::chrono::days(91));
    const RunResult result = once();
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CA-REJECTED"), HasSubstr("the signer's certificate does not verify")))
        << "it is asked, and does not know the CA before it";
    EXPECT_THAT(read_file(other / "lint.jsonl"), HasSubstr("PKIOperation"));
}

// The first contact has nothing to compare with: there the pinned RA is what counts (ADR on recipients).
TEST_F(EcIdentity, SEC_5_SIG_13_at_the_first_contact_a_pinned_RA_that_is_hidden_moves_no_request_either) {
    start({"password", {"--reply-envelope", "pwri", "--topology", "ec-ca"}, renewal_req, 1});
    const Certificate ca = certificates_from_pem(read_file(world_.directory() / "ca" / "ca.pem")).value().front();
    const Certificate ra = certificates_from_pem(read_file(world_.directory() / "ca" / "ra.pem")).value().front();
    const TamperingProxy proxy(
        world_.port(),
        [&](const std::string&) {
            return http_response("200 OK", "application/x-x509-ca-cert", std::string(as_text(ca.der())));
        },
        "GetCACert");
    const std::string pinned =
        "ra = \"pinned\"\nra_fingerprints = [\"SHA256:" + to_hex(ra.fingerprint(), ':') + "\"]\n";
    configure("password", {.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep", .ca_extra = pinned});
    const RunResult refused = once();
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-CERTIFICATE"), HasSubstr("was not received")));
    EXPECT_THAT(types(), IsEmpty());
    configure("password", {.ca_extra = pinned});
    expect_ok();
}

TEST_F(EcIdentity, ENV_12_a_reply_in_another_way_than_the_configured_is_not_opened) {
    start(password);
    configure("agree");
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 76) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-SCEP-RECIPIENT"), HasSubstr("a recipient by password")));
}

TEST_F(EcIdentity, BAD_101_a_reply_under_the_challenge_to_an_rsa_key_is_not_opened) {
    start({"token-rsa", {"--reply-envelope", "pwri-always"}, pkcs_req, 2});
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 76) << result.err;
    EXPECT_THAT(result.err, HasSubstr("E-SCEP-RECIPIENT"));
    EXPECT_EQ(world_.objects("Private Key Object"), 2) << "the request is still open";
}

TEST_F(EcIdentity, BAD_100_ENV_19_a_reply_that_costs_too_much_is_not_opened) {
    start(password, {"--reply-iterations", "20001"});
    const std::string configuration = read_file(world_.config());
    write_file(world_.config(), configuration + "[limits]\nmax_pbkdf2 = 20000\n");
    const RunResult result = once();
    EXPECT_EQ(result.exit_code, 76) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-SCEP-ENVELOPE"), HasSubstr("20001 iterations")));
    write_file(world_.config(), configuration + "[limits]\nmax_pbkdf2 = 20001\n");
    expect_ok();
}

TEST_F(EcIdentity, BAD_102_a_point_that_is_none_is_not_agreed_with) {
    start(agree, {"--fault", "PKCSReq:1:mutate-BAD-102", "--fault", "PKCSReq:2:mutate-BAD-102b"});
    for (int request = 1; request <= 2; ++request) {
        const RunResult result = once();
        EXPECT_EQ(result.exit_code, 76) << result.err;
        EXPECT_THAT(result.err, HasSubstr("E-SCEP-DECRYPT"));
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
        clock_.advance(Seconds(8L * 3600));
    }
    expect_ok();
}

TEST_F(EcIdentity, ENV_13_a_late_reply_is_opened_with_the_challenge_as_it_is_then) {
    start(password, {"--pending", "1"});
    EXPECT_EQ(once().exit_code, 75);
    // Whoever changes it on one side only locks the reply away, and the request is made anew once that is put right.
    write_file(world_.directory() / "corp.challenge", "canary-of-another-time", 0600);
    clock_.advance(Seconds(5));
    const RunResult wrong = once();
    EXPECT_EQ(wrong.exit_code, 76) << wrong.err;
    EXPECT_THAT(wrong.err, HasSubstr("E-SCEP-DECRYPT"));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    write_file(world_.directory() / "corp.challenge", canary_challenge, 0600);
    clock_.advance(Seconds(3600));
    EXPECT_EQ(once().exit_code, 75);
    clock_.advance(Seconds(5));
    expect_ok();
}

TEST_F(EcIdentity, T24_an_envelope_key_of_an_open_request_is_no_orphan) {
    start(token_rsa, {"--pending", "1"});
    EXPECT_EQ(once().exit_code, 75);
    const RunResult purged = world_.hwenroll({"token", "purge", "lab"});
    EXPECT_EQ(purged.exit_code, 0) << purged.err;
    EXPECT_THAT(purged.out, Not(HasSubstr("to destroy"))) << "nothing is unneeded";
    EXPECT_EQ(world_.objects("Private Key Object"), 2) << purged.out;
    clock_.advance(Seconds(5));
    expect_ok();
}

class EcRollover : public testing::TestWithParam<Way> {};

TEST_P(EcRollover, ROLL_9_ROLL_10_ROLL_14_an_ec_identity_is_carried_over_its_ca_s_rollover) {
    std::vector<std::string> options = lives_with_rollover();
    options.insert(options.end(), GetParam().ca_options.begin(), GetParam().ca_options.end());
    DaemonWorld world(options);
    world.configure({.ca_extra = std::string("envelope = \"") + GetParam().envelope + "\"\n", .key = "ec:p256"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    world.go_to_day(175);
    world.eventually("the shadow", [&] { return world.word() == "SHADOW-READY" && world.anchors() == 2; });
    const auto before = world.leaf();
    world.go_to_day(200.5);
    world.eventually("the switch",
                     [&] { return world.word() == "OK" && world.leaf() != before && world.anchors() == 1; });
    EXPECT_EQ(world.leaf()->public_key().text(), "EC P-256");
    EXPECT_EQ(world.issued().size(), 3U);
    EXPECT_THAT(world.messages(), ElementsAre(pkcs_req, GetParam().renewal_type, GetParam().renewal_type));
    for (const std::string& line : world.requests()) {
        EXPECT_THAT(line, HasSubstr("\"findings\":[]"));
    }
    EXPECT_EQ(world.stop_daemon(), 0);
}

INSTANTIATE_TEST_SUITE_P(Ways, EcRollover, testing::Values(agree, password, token_rsa));

/// With a TPM's own ECDH.
TEST(EcIdentityOnTpm, ENV_12_TOK_3_is_enrolled_and_renewed_by_key_agreement) {
    SoftwareTpm tpm;
    DaemonWorld world(lives_with_rollover());
    world.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm.tcti() + "\"\n",
                     .ca_extra = "envelope = \"agree\"\n",
                     .key = "ec:p256"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    expect_signs_for_consumers(world, tpm, (world.live() / "key.pem").string());
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_THAT(world.messages(), ElementsAre(pkcs_req, renewal_req));
    expect_signs_for_consumers(world, tpm, (world.live() / "key.pem").string());
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// All that the state directory has on the disk.
std::string state_octets(const DaemonWorld& world) {
    std::string octets;
    for (const auto& entry : std::filesystem::directory_iterator(world.directory() / "state")) {
        octets += entry.is_regular_file() ? read_file(entry.path()) : "";
    }
    return octets;
}

/// A line of the envelope key's PEM that stands nowhere else.
std::string envelope_key_line(const DaemonWorld& world) {
    auto store = store::Store::open_read_only(world.directory() / "state");
    const auto state = store ? store->identity("web") : fail(store.error());
    if (!state || !state->enrollment || !state->enrollment->envelope_key) {
        return {};
    }
    const std::string& pem = state->enrollment->envelope_key->pem;
    const std::size_t first = pem.find('\n', pem.find('\n') + 1) + 1;
    return pem.substr(first, pem.find('\n', first) - first);
}

/// An RSA key beside an EC key, both wrapped by a TPM: what is destroyed is gone from the database too.
TEST(EcIdentityOnTpm, ENV_14_an_envelope_key_is_nowhere_once_the_certificate_is_there) {
    SoftwareTpm tpm;
    std::vector<std::string> options = lives_with_rollover();
    options.emplace_back("--pending-until-approved");
    DaemonWorld world(options);
    world.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm.tcti() + "\"\n",
                     .ca_extra = "envelope = \"token-rsa\"\n",
                     .key = "ec:p256"});
    world.start_daemon();
    world.eventually("the request", [&] { return world.word() == "PENDING"; });
    const std::string line = envelope_key_line(world);
    ASSERT_GT(line.size(), 32U);
    EXPECT_THAT(state_octets(world), HasSubstr(line)) << "or nothing is proved below";
    EXPECT_EQ(world.approve_all(), 1U);
    world.eventually("the enrollment", [&] {
        world.advance(Seconds(61));
        return world.word() == "OK";
    });
    world.eventually("the envelope key's end", [&] {
        return world.command({"history", "web"}).out.find("destroyed") != std::string::npos;
    });
    EXPECT_THAT(state_octets(world), Not(HasSubstr(line)));
    EXPECT_EQ(world.leaf()->public_key().text(), "EC P-256");
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
