// `hwenroll doctor` beside real tokens, CAs and agents.
#include <algorithm>
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/life.h"
#include "tests/support/token_service.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::size_t times(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

class Doctor : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        world_.configure();
    }

    void enroll() { ASSERT_EQ(world_.once().exit_code, 0); }

    [[nodiscard]] std::string shim_log() const { return (world_.directory() / "shim.log").string(); }

    /// `hwenroll doctor` with a token behind the fault shim.
    [[nodiscard]] RunResult doctor_with(const std::string& rule) const {
        return run({program("hwenroll"), "doctor", "--config", world_.config().string()},
                   {{"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + shim_log(),
                     "HWENROLL_SHIM_RULE=" + rule},
                    {},
                    {}});
    }
    void configure_shim(ConfigurationChanges changes = {}) {
        changes.module = module("libhwenroll-pkcs11-shim.so");
        world_.configure(changes);
    }
    [[nodiscard]] std::size_t logins() const {
        return std::filesystem::exists(shim_log()) ? times(read_file(shim_log()), "C_Login\n") : 0;
    }

    EnrollmentWorld world_;
};

TEST_F(Doctor, finds_nothing_wrong_before_and_after_an_enrollment_and_sends_nothing) {
    const RunResult before = world_.hwenroll({"doctor"});
    EXPECT_EQ(before.exit_code, 0) << before.out << before.err;
    EXPECT_THAT(before.out,
                AllOf(HasSubstr("found: SoftHSM"), HasSubstr("offers CKM_RSA_PKCS, CKM_RSA_PKCS_KEY_PAIR_GEN"),
                      HasSubstr("untested token lab: no login was made"), HasSubstr("the agent has not run here"),
                      HasSubstr(", 1 untested")));
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "state")) << "it makes nothing";
    enroll();
    const std::size_t sent = world_.requests().size();
    const RunResult after = world_.hwenroll({"doctor"});
    EXPECT_EQ(after.exit_code, 0) << after.out << after.err;
    EXPECT_THAT(after.out, AllOf(HasSubstr("key of identity web: RSA 2048 signs and opens"),
                                 HasSubstr("what consumers see is what the agent has published"),
                                 HasSubstr("its configured fingerprint fits: SHA256:"), Not(HasSubstr("FAIL"))));
    EXPECT_EQ(world_.requests().size(), sent);
    world_.expect_no_canary({before.out, after.out});
}

TEST_F(Doctor, CACERT_8_CAPS_1_against_ca_asks_for_capabilities_and_certificates_and_no_more) {
    const RunResult asked = world_.hwenroll({"doctor", "--against-ca"});
    EXPECT_EQ(asked.exit_code, 0) << asked.out << asked.err;
    EXPECT_THAT(asked.out,
                AllOf(HasSubstr("CA corp at " + world_.url() + ": answers"), HasSubstr("used: SHA-256, AES-"),
                      HasSubstr("requests are encrypted to"), HasSubstr("differ by")));
    ASSERT_EQ(world_.requests().size(), 2U);
    EXPECT_THAT(world_.requests().front(), HasSubstr("GetCACaps"));
    EXPECT_THAT(world_.requests().back(), HasSubstr("GetCACert"));
}

TEST_F(Doctor, CACERT_4_N3_against_ca_exits_by_what_is_wrong_with_it) {
    world_.configure({.fingerprint = "SHA256:" + std::string(64, 'A')});
    const RunResult other = world_.hwenroll({"doctor", "--against-ca"});
    EXPECT_EQ(other.exit_code, 76) << other.out;
    EXPECT_THAT(other.out, HasSubstr("FAIL    CA corp at " + world_.url() + ": E-CA-FINGERPRINT"));
    world_.configure();
    world_.stop_ca();
    const RunResult gone = world_.hwenroll({"doctor", "--against-ca"});
    EXPECT_EQ(gone.exit_code, 69) << gone.out;
    EXPECT_THAT(gone.out, HasSubstr("E-CA-UNREACHABLE"));
    EXPECT_EQ(world_.hwenroll({"doctor"}).exit_code, 0) << "without it nobody is asked";
}

TEST_F(Doctor, K5_against_ca_tells_how_far_the_clocks_are_apart) {
    DaemonWorld ahead({});  // its CA and its commands live in 2030
    const RunResult same = ahead.command({"doctor", "--against-ca"});
    EXPECT_THAT(same.out, HasSubstr("differ by 0 s"));
    const RunResult apart = ahead.hwenroll({"doctor", "--against-ca"});
    EXPECT_THAT(apart.out, AllOf(HasSubstr("this machine's clock is "), HasSubstr(" behind the CA's"),
                                 HasSubstr("-> timedatectl set-ntp true")));
}

TEST_F(Doctor, F1_F2_names_every_finding_of_the_configuration) {
    world_.configure({.key = "rsa:512", .identity_extra = "nonsense = 1\n"});
    const RunResult result = world_.hwenroll({"doctor"});
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.out, AllOf(HasSubstr("E-CONFIG-VALUE"), HasSubstr("E-CONFIG-KEY"), HasSubstr("found: SoftHSM")))
        << "and looks at the rest";
    write_file(world_.config(), "[agent\n");
    const RunResult broken = world_.hwenroll({"doctor"});
    EXPECT_EQ(broken.exit_code, 78);
    EXPECT_THAT(broken.out, HasSubstr("FAIL    E-CONFIG-SYNTAX"));
}

TEST_F(Doctor, F8_secrets_that_others_may_read_or_that_are_missing_are_failures_with_the_command_to_type) {
    ::chmod(world_.pin_path().c_str(), 0644);
    const RunResult open = world_.hwenroll({"doctor"});
    EXPECT_EQ(open.exit_code, 77) << open.out;
    EXPECT_THAT(open.out, AllOf(HasSubstr("FAIL    PIN of token lab: E-TOKEN-PIN-SOURCE"), HasSubstr("mode 0644"),
                                HasSubstr("-> chmod 600 " + world_.pin_path().string())));
    ::chmod(world_.pin_path().c_str(), 0600);
    const auto challenge = world_.directory() / "corp.challenge";
    std::filesystem::rename(challenge, world_.directory() / "elsewhere");
    const RunResult missing = world_.hwenroll({"doctor"});
    EXPECT_NE(missing.exit_code, 0);
    EXPECT_THAT(missing.out, AllOf(HasSubstr("challenge of CA corp: E-CHALLENGE-SOURCE"), HasSubstr("No such file"),
                                   HasSubstr("install -m 0600 ")));
    std::filesystem::rename(world_.directory() / "elsewhere", challenge);
}

TEST_F(Doctor, S13_F8_directories_that_others_may_write_to_and_a_database_that_others_may_read) {
    enroll();
    ::chmod((world_.directory() / "live").c_str(), 0777);
    ::chmod((world_.directory() / "state" / "state.db").c_str(), 0644);
    const RunResult result = world_.hwenroll({"doctor"});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.out, AllOf(HasSubstr("-> chmod go-w " + (world_.directory() / "live").string()),
                                  HasSubstr("-> chmod 600 " + (world_.directory() / "state" / "state.db").string())));
}

TEST_F(Doctor, T9_invariant_6_a_pin_that_was_refused_is_not_tried_again) {
    write_file(world_.directory() / "wrong.pin", "0000", 0600);
    enroll();
    configure_shim({.pin = "file:" + (world_.directory() / "wrong.pin").string()});
    const RunResult first = doctor_with("");
    EXPECT_EQ(first.exit_code, 77) << first.out;
    EXPECT_THAT(first.out, HasSubstr("E-TOKEN-PIN"));
    EXPECT_EQ(logins(), 1U);
    for (int i = 0; i < 2; ++i) {
        const RunResult again = doctor_with("");
        EXPECT_EQ(again.exit_code, 77) << again.out;
        EXPECT_THAT(again.out, HasSubstr("refused this PIN at"));
    }
    EXPECT_EQ(logins(), 1U) << "known from the record";
}

TEST_F(Doctor, T9_uses_the_pin_once_and_a_report_never) {
    configure_shim();
    ASSERT_EQ(world_.once().exit_code, 0);
    const RunResult reported =
        run({program("hwenroll"), "bugreport", "--out", (world_.directory() / "report").string(), "--config",
             world_.config().string()},
            {{"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + shim_log()}, {}, {}});
    EXPECT_EQ(reported.exit_code, 0) << reported.err;
    EXPECT_THAT(read_file(world_.directory() / "report"), HasSubstr("untested token lab: no login was made"));
    EXPECT_EQ(logins(), 0U);
    EXPECT_EQ(doctor_with("").exit_code, 0);
    EXPECT_EQ(logins(), 1U);
}

TEST_F(Doctor, T10_T11_makes_no_login_when_tries_are_low_and_says_how_many_are_left) {
    enroll();
    configure_shim();
    const RunResult low = doctor_with("C_GetTokenInfo:*:flag=count_low");
    EXPECT_EQ(low.exit_code, 0) << low.out;
    EXPECT_THAT(low.out, HasSubstr("warn    token lab: few PIN tries are left; this command makes none"));
    const RunResult last = doctor_with("C_GetTokenInfo:*:flag=final_try");
    EXPECT_EQ(last.exit_code, 77) << last.out;
    EXPECT_THAT(last.out, HasSubstr("E-TOKEN-PIN-LOW one PIN try is left"));
    const RunResult locked = doctor_with("C_GetTokenInfo:*:flag=locked");
    EXPECT_EQ(locked.exit_code, 77) << locked.out;
    EXPECT_THAT(locked.out, HasSubstr("E-TOKEN-PIN-LOCKED"));
    EXPECT_EQ(logins(), 0U);
}

TEST_F(Doctor, T20_TOK_4_a_key_that_does_not_sign_or_open_any_more_is_found) {
    configure_shim();
    ASSERT_EQ(world_.once().exit_code, 0);
    EXPECT_THAT(doctor_with("").out, HasSubstr("signs and opens"));
    const RunResult mute = doctor_with("C_Sign:*:rv=0x6");
    EXPECT_NE(mute.exit_code, 0);
    EXPECT_THAT(mute.out, AllOf(HasSubstr("key of identity web: E-TOKEN-SELF-TEST"), HasSubstr("cannot sign")));
    const RunResult closed = doctor_with("C_Decrypt:*:rv=0x6");
    EXPECT_THAT(closed.out, HasSubstr("cannot decrypt"));
}

TEST_F(Doctor, T1_T7_a_module_or_token_that_is_not_there_is_named) {
    world_.configure({.module = "/nonexistent/module.so"});
    const RunResult module = world_.hwenroll({"doctor"});
    EXPECT_EQ(module.exit_code, 69) << module.out;
    EXPECT_THAT(module.out, HasSubstr("FAIL    token lab: E-TOKEN-MODULE"));
    world_.configure({.uri = "pkcs11:token=other"});
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, HasSubstr("FAIL    token lab: E-TOKEN-ABSENT"));
}

TEST_F(Doctor, S9_S13_published_files_that_differ_from_the_state_are_seen) {
    enroll();
    ::chmod((world_.live() / "cert.pem").c_str(), 0600);
    EXPECT_THAT(world_.hwenroll({"doctor"}).out,
                AllOf(HasSubstr("cert.pem has mode 0600, not 0644"), HasSubstr("-> chmod 0644 ")));
    std::filesystem::remove(world_.live());
    const RunResult gone = world_.hwenroll({"doctor"});
    EXPECT_EQ(gone.exit_code, 0) << "the agent mends it";
    EXPECT_THAT(gone.out, HasSubstr("warn    identity web: "));
}

TEST_F(Doctor, O1_programs_that_are_not_there_are_found_before_they_are_needed) {
    world_.configure({.agent_extra = "on_alert = [\"/nonexistent/page\"]",
                      .identity_extra = "on_change = [[\"" + world_.config().string() + "\"]]\n"});
    const RunResult result = world_.hwenroll({"doctor"});
    EXPECT_EQ(result.exit_code, 78) << result.out;
    EXPECT_THAT(result.out, AllOf(HasSubstr("FAIL    on_alert: "), HasSubstr("FAIL    hook of identity web: "),
                                  HasSubstr("-> chmod +x " + world_.config().string())));
}

TEST_F(Doctor, ALG_9_ALG_10_legacy_and_its_end_are_told) {
    world_.configure({.ca_extra = "legacy = [\"sha1-reply\"]\nlegacy_until = \"2999-01-01\"\n"});
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, HasSubstr("permits weak algorithms until 2999-01-02T00:00:00Z"));
    world_.configure({.ca_extra = "legacy = [\"sha1-reply\"]\nlegacy_until = \"2020-01-01\"\n"});
    EXPECT_THAT(world_.hwenroll({"doctor"}).out, HasSubstr("warn    CA corp: "));
}

TEST_F(Doctor, json_has_a_schema_and_each_check_its_outcome) {
    world_.configure({.module = "/nonexistent/module.so"});
    const json body = json::parse(world_.hwenroll({"doctor", "--json"}).out);
    EXPECT_EQ(body["schema"], 1);
    EXPECT_EQ(body["command"], "doctor");
    EXPECT_EQ(body["ok"], false);
    EXPECT_EQ(body["against_ca"], false);
    bool failed = false;
    for (const json& check : body["checks"]) {
        EXPECT_THAT(check["outcome"], testing::AnyOf("ok", "warn", "fail", "unseen", "untested"));
        EXPECT_TRUE(check["section"].is_string() && check["about"].is_string() && check["text"].is_string());
        failed =
            failed || (check["outcome"] == "fail" && check["error"] == "E-TOKEN-MODULE" && check["next"].is_string());
    }
    EXPECT_TRUE(failed) << body.dump(2);
}

/// As a package installs it: the state and the secrets are the agent's, and the commands are typed by root.
TEST_F(Doctor, T6_F8_root_uses_the_secrets_of_the_user_whose_the_state_is_and_nobody_elses) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to give files away";
    }
    constexpr uid_t agent = 65534;
    const auto give = [&](const char* name, uid_t user) {
        ASSERT_EQ(::chown((world_.directory() / name).c_str(), user, user), 0) << name;
    };
    for (const char* const name : {"state", "live"}) {
        std::filesystem::create_directory(world_.directory() / name);
    }
    for (const char* const name : {"state", "live", "lab.pin", "corp.challenge"}) {
        give(name, agent);
    }
    const std::filesystem::path token = world_.hsm().directory().path();
    ASSERT_EQ(::chown(token.c_str(), agent, agent), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(token)) {
        ASSERT_EQ(::lchown(entry.path().c_str(), agent, agent), 0) << entry.path();
    }
    const RunResult once = world_.once();
    EXPECT_EQ(once.exit_code, 0) << once.err;
    const RunResult doctor = world_.hwenroll({"doctor"});
    EXPECT_EQ(doctor.exit_code, 0) << doctor.out;
    EXPECT_THAT(doctor.out, HasSubstr("key of identity web: RSA 2048 signs and opens"));
    EXPECT_EQ(world_.hwenroll({"token", "keys"}).exit_code, 0);
    EXPECT_EQ(world_.hwenroll({"token", "purge", "lab"}).exit_code, 0);
    give("lab.pin", agent - 1);
    const RunResult others = world_.hwenroll({"token", "keys"});
    EXPECT_EQ(others.exit_code, 77);
    EXPECT_THAT(others.err, HasSubstr("E-TOKEN-PIN-SOURCE"));
}

TEST_F(Doctor, says_to_an_ordinary_user_what_it_could_not_see_and_who_can) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to become somebody else";
    }
    enroll();
    ::chmod((world_.directory() / "state").c_str(), 0700);
    const RunResult result = run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program("hwenroll"),
                                  "doctor", "--config", world_.config().string()});
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("unseen  state: "), HasSubstr("unseen  token lab: this user may not use it"),
                      HasSubstr("that this user may not see: sudo hwenroll doctor")))
        << result.err;
    EXPECT_EQ(result.exit_code, 0) << "what cannot be seen is no failure" << result.out;
    ::chmod(world_.config().c_str(), 0600);
    const RunResult nothing = run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program("hwenroll"),
                                   "doctor", "--config", world_.config().string()});
    EXPECT_EQ(nothing.exit_code, 0) << nothing.out;
    EXPECT_THAT(nothing.out, HasSubstr("this user may not read it"));
}

/// The PIN is a credential of the token's service; this command has none.
class DoctorOfAService : public testing::Test {
 protected:
    DoctorOfAService() {
        world_.configure({.pin = "credential:lab.pin"});
        const auto credentials = world_.directory() / "credentials";
        std::filesystem::create_directory(credentials);
        std::filesystem::copy_file(world_.pin_path(), credentials / "lab.pin");
        service_ = std::make_unique<TokenService>(
            socket(), std::vector<std::string>{"CREDENTIALS_DIRECTORY=" + credentials.string()});
    }

    [[nodiscard]] std::filesystem::path socket() const { return world_.directory() / "run" / "token" / "lab"; }

    DaemonWorld world_{{}};
    std::unique_ptr<TokenService> service_;
};

TEST_F(DoctorOfAService, TOK_4_the_agent_tests_what_this_command_has_no_pin_for) {
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    const RunResult beside = world_.command({"doctor"});
    EXPECT_EQ(beside.exit_code, 0) << beside.out << beside.err;
    EXPECT_THAT(beside.out,
                AllOf(HasSubstr("key of identity web: RSA 2048 signs and opens, as the agent has just tried"),
                      HasSubstr("untested PIN of token lab: credential:lab.pin is what systemd gives "
                                "hwenroll-token@lab.service"),
                      HasSubstr("found: SoftHSM"), Not(HasSubstr("untested key"))));
    EXPECT_EQ(world_.stop_daemon(), 0);
    const RunResult alone = world_.command({"doctor"});
    EXPECT_EQ(alone.exit_code, 0) << alone.out << alone.err;
    EXPECT_THAT(alone.out,
                AllOf(HasSubstr("untested token lab: no login was made: credential:lab.pin is read by "
                                "hwenroll-token@lab.service alone"),
                      HasSubstr("; hwenroll doctor --config " + world_.config().string()), HasSubstr("found: SoftHSM"),
                      Not(HasSubstr("signs and opens")), Not(HasSubstr("FAIL"))));
    world_.expect_no_canary({beside.out, alone.out});
}

TEST_F(DoctorOfAService, names_the_socket_that_is_missing) {
    service_->stop();
    std::filesystem::remove(socket());
    const RunResult result = world_.command({"doctor"});
    EXPECT_THAT(result.out, AllOf(HasSubstr("warn    PIN of token lab: the agent's own worker has no credentials"),
                                  HasSubstr("-> systemctl enable --now hwenroll-token@lab.socket"),
                                  Not(HasSubstr("E-TOKEN-PIN-SOURCE"))));
}

TEST(DoctorBesideTheAgent, says_untested_of_a_key_whose_token_is_at_work) {
    DaemonWorld world({});
    world.configure({.module = module("libhwenroll-pkcs11-shim.so")});
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_RULE=C_GenerateKeyPair:2:hang"});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.command({"renew", "web", "--rekey"}).exit_code, 0);
    RunResult result;
    world.eventually("work on the token", [&] {
        result = world.command({"doctor"});
        return result.out.find("untested key of identity web: the agent did not try it: it is at work") !=
               std::string::npos;
    });
    EXPECT_EQ(result.exit_code, 0) << result.out;
    EXPECT_THAT(result.out, AllOf(HasSubstr("-> hwenroll wait web"), Not(HasSubstr("signs and opens"))));
    const json body = json::parse(world.command({"doctor", "--json"}).out);
    EXPECT_TRUE(std::ranges::any_of(body["checks"], [](const json& check) {
        return check["outcome"] == "untested" && check["about"] == "key of identity web";
    })) << body.dump(2);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(DoctorBesideTheAgent, takes_its_word_on_tokens_and_makes_no_login_and_sees_that_a_reload_is_due) {
    DaemonWorld world({});
    world.configure({.module = module("libhwenroll-pkcs11-shim.so")});
    const std::string log = (world.directory() / "shim.log").string();
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::size_t logins = times(read_file(log), "C_Login\n");
    const RunResult result = world.command({"doctor"});
    EXPECT_EQ(result.exit_code, 0) << result.out;
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("hwenrolld: runs, version "), HasSubstr("the configuration on disk is in force"),
                      HasSubstr("token lab: the agent is logged in to it"),
                      HasSubstr("key of identity web: RSA 2048 signs and opens, as the agent has just tried"),
                      Not(HasSubstr("untested"))));
    EXPECT_TRUE(world.said("asked for TestKeys: done")) << world.daemon().err();
    EXPECT_EQ(times(read_file(log), "C_Login\n"), logins);
    world.configure({.agent_extra = "# another line", .module = module("libhwenroll-pkcs11-shim.so")});
    EXPECT_THAT(world.command({"doctor"}).out,
                AllOf(HasSubstr("the configuration on disk is not in force yet"),
                      HasSubstr(fmt::format("-> kill -HUP {}\n", world.daemon().pid()))));
    world.signal(SIGHUP);
    world.eventually("the reload", [&] {
        return world.command({"doctor"}).out.find("the configuration on disk is in force") != std::string::npos;
    });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(DoctorAfterARollover, ROLL_17_prints_the_fingerprint_line_to_paste_and_is_content_once_it_is) {
    Life life(Stage::rollover, {});
    DaemonWorld& world = life.world();
    life.begin();
    ASSERT_TRUE(life.enroll() && life.renew() && life.roll_over());
    const RunResult told = world.command({"doctor"});
    EXPECT_EQ(told.exit_code, 0) << told.out;
    const std::size_t begin = told.out.find("fingerprint = [");
    ASSERT_NE(begin, std::string::npos) << told.out;
    const std::string line = told.out.substr(begin, told.out.find('\n', begin) - begin);
    std::string text = read_file(world.config());
    const std::size_t old = text.find("fingerprint = ");
    text.replace(old, text.find('\n', old) - old, line);
    write_file(world.config(), text, 0600);
    EXPECT_EQ(world.command({"check-config"}).exit_code, 0);
    EXPECT_THAT(world.command({"doctor"}).out,
                AllOf(HasSubstr("its configured fingerprint fits: SHA256:"), Not(HasSubstr("fingerprint = ["))));
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
