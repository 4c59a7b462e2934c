// `hwenroll init` where the key is to be in a TPM 2.0.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/init_world.h"
#include "tests/e2e/terminal_session.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class InitTpm : public InitWorld {
 protected:
    /// What names the CA and the TPM.
    [[nodiscard]] std::vector<std::string> with(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments{"--url", world_.url(), "--fingerprint", pin(), "--tcti", tpm_.tcti()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }
    void expect_enrolls_with_the_tpm() const {
        EXPECT_THAT(read_file(file()),
                    AllOf(HasSubstr("\n[token.tpm]\ntype = \"tpm2\"\n"), HasSubstr("\ntcti = \"" + tpm_.tcti() + "\""),
                          Not(HasSubstr("\npin = ")), HasSubstr("\ntoken = \"tpm\"\n")));
        const RunResult checked = hwenroll({"check-config"});
        EXPECT_EQ(checked.exit_code, 0) << checked.err;
        const RunResult enrolled = once();
        ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
        const auto live = world_.directory() / "state" / "live" / "web" / "current";
        EXPECT_THAT(read_file(live / "key.pem"), HasSubstr("-----BEGIN TSS2 PRIVATE KEY-----"));
        EXPECT_THAT(hwenroll({"status"}).out, AllOf(HasSubstr("web"), HasSubstr("OK")));
    }
    SoftwareTpm tpm_;
};

TEST_F(InitTpm, writes_a_configuration_that_is_clean_and_enrolls_with_a_key_of_the_tpm) {
    const RunResult made = init(with({"--challenge-file", "-"}), std::string(canary_challenge) + "\n");
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
    EXPECT_THAT(made.out, AllOf(HasSubstr("token: TPM 2.0 at " + tpm_.tcti() + "\n"), Not(HasSubstr("PIN")),
                                HasSubstr("\nnext: hwenroll doctor --config ")));
    expect_enrolls_with_the_tpm();
    const RunResult looked = hwenroll({"doctor"});
    EXPECT_EQ(looked.exit_code, 0) << looked.out << looked.err;
}

TEST_F(InitTpm, at_a_terminal_it_is_a_choice_beside_the_tokens_and_no_pin_is_asked_for) {
    TerminalSession session(line(with({"--module", SoftHsm::module()})));
    ASSERT_TRUE(session.shows("1 to 2:")) << session.screen();
    EXPECT_THAT(session.screen(), AllOf(HasSubstr("  1  'lab'"), HasSubstr("  2  TPM 2.0 at " + tpm_.tcti())));
    session.type("2");
    ASSERT_TRUE(session.shows("Challenge password")) << session.screen();
    ASSERT_TRUE(session.shows("none):"));
    session.type(canary_challenge);
    ASSERT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(session.screen(), Not(HasSubstr("PIN of token")));
    expect_enrolls_with_the_tpm();
}

TEST_F(InitTpm, off_a_terminal_each_choice_is_a_command_that_works) {
    const RunResult many = init(with({"--module", SoftHsm::module()}));
    EXPECT_EQ(many.exit_code, 64);
    EXPECT_THAT(many.err, HasSubstr("there are 2 tokens"));
    expect_nothing_written();
    const auto at = many.err.rfind("next: hwenroll ") + 15;
    const std::string next = many.err.substr(at, many.err.find('\n', at) - at);
    EXPECT_THAT(next, AllOf(HasSubstr("--tcti " + tpm_.tcti()), EndsWith("--token " + tpm_.tcti())));
    const RunResult followed = run({"sh", "-c", program("hwenroll") + " " + next});
    ASSERT_EQ(followed.exit_code, 0) << followed.err;
    EXPECT_THAT(read_file(file()), HasSubstr("\ntcti = \"" + tpm_.tcti() + "\""));
    std::filesystem::remove(file());
    const RunResult by_kind = init(with({"--module", SoftHsm::module(), "--token", "tpm2"}));
    ASSERT_EQ(by_kind.exit_code, 0) << by_kind.err;
    EXPECT_THAT(read_file(file()), HasSubstr("type = \"tpm2\""));
}

TEST_F(InitTpm, beside_a_configuration_that_has_the_tpm_its_section_is_used) {
    const std::string etc = (world_.directory() / "etc").string();
    const auto named = [&](const std::string& name) {
        std::vector<std::string> line{program("hwenroll"), "init", "--dir", etc, "--name", name};
        const std::vector<std::string> more = with({});
        line.insert(line.end(), more.begin(), more.end());
        return run(line);
    };
    ASSERT_EQ(named("web").exit_code, 0);
    const RunResult second = named("mail");
    ASSERT_EQ(second.exit_code, 0) << second.err;
    EXPECT_THAT(second.out, HasSubstr("[token.tpm] is configured already"));
    EXPECT_THAT(read_file(world_.directory() / "etc" / "conf.d" / "mail.toml"),
                AllOf(HasSubstr("token = \"tpm\""), Not(HasSubstr("\n[token."))));
}

TEST_F(InitTpm, T1_one_that_does_not_answer_is_told_with_what_it_said_and_a_command_that_fits) {
    tpm_.stop();
    const RunResult gone = init(with({}));
    EXPECT_EQ(gone.exit_code, 69);
    EXPECT_THAT(gone.err,
                AllOf(HasSubstr("E-TOKEN-ABSENT"), HasSubstr(tpm_.tcti()),
                      HasSubstr("next: hwenroll explain E-TOKEN-ABSENT"), Not(HasSubstr("next: hwenroll init")),
                      Not(HasSubstr("next: hwenroll token list")), Not(HasSubstr("--module"))))
        << "a TPM is behind no module";
    expect_nothing_written();
    const RunResult nonsense = init({"--url", world_.url(), "--fingerprint", pin(), "--tcti", "device:tpm"});
    EXPECT_EQ(nonsense.exit_code, 64) << nonsense.err;
    EXPECT_THAT(nonsense.err, AllOf(HasSubstr("E-USAGE"), HasSubstr("'device:tpm'"), HasSubstr("device:/dev/tpmrm0")));
    expect_nothing_written();
}

}  // namespace
}  // namespace hwenroll::test
