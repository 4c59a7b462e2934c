// What is proposed after each failure of an identity.
#include "agent/cli/next_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/configuration_reader.h"

namespace hwenroll::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

config::Configuration configuration(const std::string& pin = "file:/etc/hwenroll/lab.pin") {
    const std::string text =
        "[token.lab]\ntype = \"pkcs11\"\nmodule = \"/usr/lib/p11.so\"\nuri = \"pkcs11:token=lab\"\npin = \"" + pin +
        "\"\n[ca.corp]\nurl = \"http://ca/scep\"\nfingerprint = \"" + std::string(64, '0') +
        "\"\nchallenge = \"file:/etc/hwenroll/corp.challenge\"\n"
        "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=web\"\n";
    auto read = config::read_configuration({{"hwenroll.toml", text}}, {});
    EXPECT_TRUE(read && read->findings.empty());
    return read ? *std::move(read) : config::Configuration();
}

TEST(NextCommand, T7_after_a_refused_pin_its_source_is_what_is_corrected) {
    const auto file = configuration();
    const std::string next = next_command(ErrorCode::token_pin, "web", &file);
    EXPECT_THAT(next, HasSubstr("install -m 0600"));
    EXPECT_THAT(next, EndsWith(" /dev/stdin /etc/hwenroll/lab.pin"));
    const auto credential = configuration("credential:lab.pin");
    EXPECT_EQ(next_command(ErrorCode::token_pin, "web", &credential), "hwenroll resume web");
}

TEST(NextCommand, after_a_failure_of_the_ca_it_names_the_ca_or_the_challenge) {
    const auto file = configuration();
    EXPECT_THAT(next_command(ErrorCode::ca_rejected, "web", &file),
                EndsWith(" /dev/stdin /etc/hwenroll/corp.challenge"));
    EXPECT_EQ(next_command(ErrorCode::ca_unreachable, "web", &file), "hwenroll ca show corp");
    EXPECT_EQ(next_command(ErrorCode::ca_fingerprint, "web", &file), "hwenroll ca show corp");
    EXPECT_EQ(next_command(ErrorCode::ca_fingerprint, "other", &file), "hwenroll explain E-CA-FINGERPRINT");
}

TEST(NextCommand, O1_after_a_failed_delivery_it_tells_the_consumers_again_or_starts_what_should) {
    const auto file = configuration();
    EXPECT_EQ(next_command(ErrorCode::hook_failed, "web", &file), "hwenroll resume web");
    EXPECT_EQ(next_command(ErrorCode::verify_failed, "web", &file), "hwenroll resume web");
    EXPECT_EQ(next_command(ErrorCode::hook_unavailable, "web", &file), "systemctl enable --now hwenroll-hook.socket");
}

TEST(NextCommand, T1_an_absent_tpm_is_looked_for_where_it_is_reached_and_in_no_list_of_slots) {
    config::TokenSettings token;
    EXPECT_EQ(next_command(ErrorCode::token_absent, token), "hwenroll token list");
    token.type = config::TokenType::tpm2;
    for (const auto& [tcti, command] :
         {std::pair("device:/dev/tpm0", "ls -l /dev/tpm0"), std::pair("device", "ls -l /dev/tpmrm0"),
          std::pair("tabrmd:bus_type=system", "systemctl status tpm2-abrmd")}) {
        token.tcti = tcti;
        EXPECT_EQ(next_command(ErrorCode::token_absent, token), command);
    }
}

TEST(NextCommand, every_error_code_has_one) {
    const auto file = configuration();
    for (const ErrorInfo& info : error_table()) {
        EXPECT_THAT(next_command(info.code, "web", &file),
                    testing::ContainsRegex("^(hwenroll|systemctl|install|systemd-ask-password|stty) "));
        EXPECT_EQ(code_in(std::string(info.name) + " web: what (why); next"), info.code);
        EXPECT_EQ(code_in(std::string(info.name) + ": what; next"), info.code);
    }
    EXPECT_EQ(next_command(ErrorCode::token_pin, "web", nullptr), "hwenroll check-config");
    EXPECT_FALSE(code_in("no code"));
    EXPECT_FALSE(code_in(""));
}

}  // namespace
}  // namespace hwenroll::cli
