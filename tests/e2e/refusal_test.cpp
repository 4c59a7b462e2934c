// The reasons for which a CA refuses a request, each with the line that an operator reads and the cure that it names.
#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/enrollment_world.h"
#include "tests/support/clock_file.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

class Refusal : public testing::Test {
 protected:
    /// Runs twice: refused with exactly `line` and that failInfo, nothing published, and not asked again.
    void expect_refused(const std::string& line, int fail_info) {
        const RunResult result = world_.once();
        EXPECT_EQ(result.exit_code, 76);
        EXPECT_EQ(result.err, line + "\n");
        EXPECT_EQ(result.out, "");
        const json answer = last_operation()["answer"];
        EXPECT_EQ(answer["pkiStatus"], 2);
        EXPECT_EQ(answer["failInfo"], fail_info);
        expect_shown(line);
        const std::size_t sent = world_.requests().size();
        const RunResult again = world_.once();
        EXPECT_EQ(again.exit_code, 76);
        EXPECT_THAT(again.err, HasSubstr(line)) << "the reason stays in sight";
        EXPECT_EQ(world_.requests().size(), sent) << "FI-2: held";
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
        EXPECT_FALSE(std::filesystem::exists(world_.directory() / "ca" / "serial"));
        world_.expect_no_canary({result.err, again.err});
    }

    /// What the CA noted of the last PKIOperation: a refusal may have it asked for its certificates again (FI-1).
    [[nodiscard]] json last_operation() const {
        json last;
        for (const std::string& line : world_.requests()) {
            json record = json::parse(line);
            if (record["operation"] == "PKIOperation") {
                last = std::move(record);
            }
        }
        return last;
    }

    void expect_shown(const std::string& line) const {
        const std::string typed = with_configuration(line);
        EXPECT_THAT(world_.hwenroll({"status"}).out, AllOf(HasSubstr("HELD(rejected)"), HasSubstr(typed)));
        EXPECT_THAT(world_.hwenroll({"status", "web"}).out, HasSubstr("  last error " + typed + "\n"));
        const json shown = json::parse(world_.hwenroll({"status", "--json"}).out)["identities"][0];
        EXPECT_EQ(shown["state"], "HELD(rejected)");
        EXPECT_EQ(shown["last_error"]["error"], "E-CA-REJECTED");
        EXPECT_EQ(shown["last_error"]["text"], line);
    }

    /// As it is shown to somebody who has named the configuration: what is to be typed names it too.
    [[nodiscard]] std::string with_configuration(std::string line) const {
        const std::string command = "'hwenroll ca show";
        if (const std::size_t at = line.find(command); at != std::string::npos) {
            line.insert(at + command.size(), " --config " + world_.config().string());
        }
        return line;
    }

    /// What the advice named was done.
    void expect_cured() const {
        const RunResult result = world_.once();
        EXPECT_EQ(result.exit_code, 0) << result.err;
        world_.expect_published();
    }

    EnrollmentWorld world_;
};

TEST_F(Refusal, FI_2_the_key_size_does_not_suit_the_ca) {
    world_.start_lab_ca({"--min-rsa-bits", "3072"});
    world_.configure();
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badRequest: the key size of 2048 bits is less than 3072); the CA "
        "wants a key of another size: set 'key', for instance to \"rsa:3072\"",
        2);
    world_.configure({.key = "rsa:3072"});
    expect_cured();
}

TEST_F(Refusal, FI_2_the_challenge_is_wrong) {
    world_.start_lab_ca();
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, "not-the-right-one", 0600);
    world_.configure({.challenge = "file:" + path.string()});
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badRequest: the challengePassword is wrong); check the challenge: "
        "it may be wrong, used up or expired; a new one in its source is tried at the next run",
        2);
    write_file(path, canary_challenge, 0600);
    expect_cured();
}

TEST_F(Refusal, FI_1_the_ca_cannot_verify_the_request) {
    // The agent verifies its PKCS#10 before it sends it, so the CA has to claim the contrary.
    world_.start_lab_ca({"--refuse", "badMessageCheck:the signature of the PKCS#10 request does not verify"});
    world_.configure();
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badMessageCheck: the signature of the PKCS#10 request does not "
        "verify); the CA could not verify or open the request: 'hwenroll ca show' tells whether its certificates "
        "changed, its log tells which signature or key it did not accept",
        1);
}

TEST_F(Refusal, FI_2_a_requested_attribute_is_not_authorised) {
    world_.start_lab_ca({"--issue-usage", "refuse"});
    world_.configure();
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badRequest: the requested attribute extendedKeyUsage is not "
        "authorised); the CA does not issue what was asked for: have it allowed there, or change 'subject', 'san', "
        "'key_usage' or 'extended_key_usage'",
        2);
    world_.configure({.identity_extra = ""});
    expect_cured();
}

TEST_F(Refusal, FI_2_the_signer_is_not_trusted) {
    world_.start_lab_ca({"--signers", "issued"});
    world_.configure();
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badRequest: the signer is not trusted: its certificate is "
        "self-signed); the CA does not accept who signed the request: have it accept self-signed certificates for "
        "first requests, or register this subject there",
        2);
}

TEST_F(Refusal, MSG_14_a_reason_is_given_by_failInfo_alone) {
    world_.start_lab_ca({"--refuse", "badCertId"});
    world_.configure();
    expect_refused(
        "E-CA-REJECTED web: the CA answered FAILURE (badCertId); the CA does not know the transaction: ask its "
        "operator what became of it, and to revoke a certificate that nobody received",
        4);
}

TEST_F(Refusal, K6_FI_3_a_clock_that_differs_from_the_ca_s_is_told_with_the_difference) {
    const ClockFile clock(world_.directory() / "ca.clock",
                          std::chrono::floor<Seconds>(std::chrono::system_clock::now()) + std::chrono::hours(2), 1);
    world_.start_lab_ca({"--clock-file", clock.path().string(), "--backdate", "86400"});
    world_.configure();
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 76);
    EXPECT_EQ(last_operation()["answer"]["failInfo"], 3);
    EXPECT_THAT(result.err,
                testing::ContainsRegex("\\(badTime.*; this machine's clock showed 20[-0-9T:]*Z, the CA's web "
                                       "server 20[-0-9T:]*Z: this machine is (2 h|1 h 59 min) behind, "
                                       "correct the clock that is wrong\n$"));
    expect_shown(result.err.substr(0, result.err.size() - 1));
}

/// C3: whatever the reason, one request, a hold with its own advice, and nothing again before a day has passed.
class EachReason : public Refusal, public testing::WithParamInterface<std::tuple<const char*, int, const char*>> {};

TEST_P(EachReason, C3_holds_and_says_what_to_do) {
    const auto& [word, number, advice] = GetParam();
    world_.start_lab_ca({"--refuse", word});
    world_.configure();
    expect_refused(fmt::format("E-CA-REJECTED web: the CA answered FAILURE ({}); {}", word, advice), number);
}

INSTANTIATE_TEST_SUITE_P(
    FailInfo, EachReason,
    testing::Values(
        std::tuple("badAlg", 0,
                   "the CA does not support an algorithm of the request: 'hwenroll ca show' prints what it announces; "
                   "'key' may be of a type that it does not know"),
        std::tuple("badMessageCheck", 1,
                   "the CA could not verify or open the request: 'hwenroll ca show' tells whether its certificates "
                   "changed, its log tells which signature or key it did not accept"),
        std::tuple("badRequest", 2, "check the challenge and the CA's policy for this name"),
        std::tuple("badCertId", 4,
                   "the CA does not know the transaction: ask its operator what became of it, and to revoke a "
                   "certificate that nobody received")),
    [](const testing::TestParamInfo<EachReason::ParamType>& reason) { return std::get<0>(reason.param); });

TEST_F(Refusal, BAD_84_a_hostile_failInfoText_is_shown_on_one_harmless_line) {
    const std::string hostile =
        "\x1b[2J\x1b]0;owned\x07\r\nE-FORGED web: all is well\n\xe2\x80\xae\xff" + std::string(10000, 'x');
    world_.start_lab_ca({"--refuse", "badRequest:" + hostile});
    world_.configure();
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 76);
    const std::string line = result.err.substr(0, result.err.size() - 1);
    EXPECT_THAT(line, Each(testing::Truly([](char c) { return static_cast<unsigned char>(c) >= 0x20; })));
    EXPECT_THAT(line, AllOf(testing::StartsWith("E-CA-REJECTED web: the CA answered FAILURE (badRequest: \\x1b[2J"),
                            HasSubstr("\\u{202e}"),
                            testing::EndsWith("…); check the challenge and the CA's policy for "
                                              "this name")));
    EXPECT_LT(line.size(), 512U);
    expect_shown(line);
    for (const char* forbidden : {"\x1b", "\x07", "\r", "\nE-FORGED", "\xe2\x80\xae", "\xff"}) {
        EXPECT_THAT(result.err, Not(HasSubstr(forbidden)));
        EXPECT_THAT(world_.hwenroll({"status", "web"}).out, Not(HasSubstr(forbidden)));
        EXPECT_THAT(world_.hwenroll({"status", "--json"}).out, Not(HasSubstr(forbidden)));
    }
}

}  // namespace
}  // namespace hwenroll::test
