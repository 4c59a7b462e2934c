// How replies reach an EC key (ENV-12 to ENV-14): what a configuration may ask for.
#include <gmock/gmock.h>

#include "agent/config/effective_configuration.h"
#include "agent/config/toml_text.h"
#include "tests/agent/config/sample_configuration.h"

namespace hwenroll::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// `least` with these lines in [ca.corp] and [identity.web].
std::string with(const std::string& ca, const std::string& identity) {
    const std::string text = with_line(least, "fingerprint",
                                       "fingerprint = "
                                       "\"6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb\"\n" +
                                           ca);
    return with_line(text.c_str(), "subject", "subject = \"CN=web01\"\n" + identity);
}

std::string only_finding(const Configuration& all) {
    return all.findings.size() == 1 ? std::string(all.findings.front().error.line())
                                    : std::to_string(all.findings.size()) + " findings";
}

constexpr const char* file_challenge = "challenge = \"file:/etc/hwenroll/corp.challenge\"\n";

TEST(EnvelopeRule, ENV_12_ENV_14_an_ec_key_is_taken_with_each_of_the_three) {
    for (const char* mode : {"password", "token-rsa", "agree"}) {
        for (const char* key : {"ec:p256", "ec:p384"}) {
            for (const char* challenge : {file_challenge, "challenge = \"credential:corp\"\n"}) {
                const Configuration all = must_read(
                    with(std::string(challenge) + "envelope = \"" + mode + "\"", std::string("key = \"") + key + "\""));
                EXPECT_THAT(all.findings, IsEmpty()) << mode << ' ' << only_finding(all);
                EXPECT_TRUE(all.identities.contains("web"));
            }
        }
    }
}

TEST(EnvelopeRule, TOK_2_without_a_way_for_replies_only_the_ec_identity_is_disabled) {
    const Configuration all = must_read(with(
        file_challenge, "key = \"ec:p256\"\n[identity.other]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=other\""));
    EXPECT_THAT(only_finding(all), AllOf(HasSubstr("identity.web"), HasSubstr("\"agree\""), HasSubstr("\"password\""),
                                         HasSubstr("\"token-rsa\"")));
    EXPECT_FALSE(all.identities.contains("web"));
    EXPECT_TRUE(all.identities.contains("other"));
}

TEST(EnvelopeRule, ENV_13_a_command_s_challenge_is_good_for_one_use_and_refused_where_one_is_needed_again) {
    for (const char* mode : {"password", "token-rsa"}) {
        const Configuration all = must_read(
            with(std::string("challenge = \"exec:/usr/bin/otp\"\nenvelope = \"") + mode + "\"", "key = \"ec:p256\""));
        EXPECT_THAT(only_finding(all), AllOf(HasSubstr("E-CONFIG-VALUE identity.web"), HasSubstr(mode),
                                             HasSubstr("a command's"), HasSubstr("envelope = \"agree\"")));
        EXPECT_FALSE(all.identities.contains("web"));
    }
    const Configuration agrees =
        must_read(with("challenge = \"exec:/usr/bin/otp\"\nenvelope = \"agree\"", "key = \"ec:p256\""));
    EXPECT_THAT(agrees.findings, IsEmpty()) << only_finding(agrees);
}

TEST(EnvelopeRule, ENV_9_ENV_13_without_a_challenge_only_key_agreement_works) {
    for (const char* mode : {"password", "token-rsa"}) {
        const Configuration all = must_read(with(std::string("envelope = \"") + mode + "\"", "key = \"ec:p256\""));
        EXPECT_THAT(only_finding(all),
                    AllOf(HasSubstr("E-CONFIG-MISSING identity.web"), HasSubstr(mode), HasSubstr("'challenge'")));
    }
    const Configuration agrees = must_read(with("envelope = \"agree\"", "key = \"ec:p256\""));
    EXPECT_THAT(agrees.findings, IsEmpty()) << only_finding(agrees);
}

TEST(EnvelopeRule, an_rsa_key_decrypts_whatever_envelope_says) {
    for (const char* mode : {"auto", "password", "token-rsa", "agree"}) {
        const Configuration all =
            must_read(with(std::string(file_challenge) + "envelope = \"" + mode + "\"", "key = \"rsa:2048\""));
        EXPECT_THAT(all.findings, IsEmpty()) << mode << ' ' << only_finding(all);
        EXPECT_EQ(envelope_for(all.identities.at("web").key, all.authorities.at("corp").envelope),
                  EnvelopeMode::automatic);
    }
}

// A CA without an RSA key would have the command run for every poll and every query.
TEST(EnvelopeRule, ENV_5_SEC_1_an_rsa_key_is_refused_a_command_s_challenge_only_where_polls_may_go_under_it) {
    const std::string command = "challenge = \"exec:/usr/bin/otp\"\n";
    for (const char* mode : {"auto", "token-rsa", "agree"}) {
        const Configuration all = must_read(with(command + "envelope = \"" + mode + "\"", "key = \"rsa:2048\""));
        EXPECT_THAT(all.findings, IsEmpty()) << mode << ' ' << only_finding(all);
    }
    for (const char* key : {"rsa:2048", "existing:pkcs11:id=%01"}) {
        const Configuration all =
            must_read(with(command + "envelope = \"password\"", std::string("key = \"") + key + "\""));
        EXPECT_THAT(only_finding(all),
                    AllOf(HasSubstr("E-CONFIG-VALUE identity.web"), HasSubstr("a command's"), HasSubstr("is polled")));
        EXPECT_FALSE(all.identities.contains("web"));
    }
    const Configuration by_default = must_read(with(command + "envelope = \"password\"", ""));
    EXPECT_THAT(only_finding(by_default), HasSubstr("a command's")) << "RSA is the default";
}

TEST(EnvelopeRule, SIG_4_a_manufacturer_s_certificate_and_an_rsa_key_beside_cannot_both_sign) {
    const char* const signer =
        "key = \"ec:p256\"\nsigner = { token = \"lab\", key = \"existing:pkcs11:id=%01\", cert = \"/a\" }";
    const Configuration all = must_read(with(std::string(file_challenge) + "envelope = \"token-rsa\"", signer));
    EXPECT_THAT(only_finding(all), AllOf(HasSubstr("E-CONFIG-UNSUPPORTED identity.web"), HasSubstr("'signer'")));
    EXPECT_THAT(must_read(with("envelope = \"agree\"", signer)).findings, IsEmpty());
}

TEST(EnvelopeRule, CSR_4_an_ec_key_asks_for_no_key_encipherment) {
    const Configuration all = must_read(with("envelope = \"agree\"", "key = \"ec:p384\""));
    EXPECT_THAT(all.identities.at("web").key_usage, testing::ElementsAre("digitalSignature", "keyAgreement"));
    const std::string text = to_toml(effective(all));
    EXPECT_THAT(text, HasSubstr("envelope = \"agree\""));
    EXPECT_THAT(text, HasSubstr("key_usage = [\"digitalSignature\", \"keyAgreement\"]  # default"));
    const Configuration said =
        must_read(with("envelope = \"agree\"", "key = \"ec:p384\"\nkey_usage = [\"digitalSignature\"]"));
    EXPECT_THAT(said.identities.at("web").key_usage, testing::ElementsAre("digitalSignature"));
}

}  // namespace
}  // namespace hwenroll::config
