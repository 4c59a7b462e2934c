// `hwenroll init`, from a machine without a configuration to one that enrolls, and everything that may be in its way.
#include <csignal>
#include <regex>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/init_world.h"
#include "tests/e2e/terminal_session.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class Init : public InitWorld {};

TEST_F(Init, writes_a_configuration_that_is_clean_and_enrolls) {
    const RunResult made = init(all({"--pin-file", "-", "--challenge-file", "-"}), secrets());
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
    EXPECT_THAT(made.out, AllOf(HasSubstr("root and issuing CA"), HasSubstr(pin()), HasSubstr("token: 'lab'"),
                                HasSubstr("written: " + file().string()),
                                EndsWith("next: hwenroll doctor --config " + file().string() +
                                         "\nthen: hwenrolld --once --config " + file().string() + "\n")));
    EXPECT_EQ(mode_of(file()), 0644U);
    EXPECT_EQ(mode_of(world_.directory() / "new" / "lab.pin"), 0600U);
    EXPECT_EQ(mode_of(world_.directory() / "new" / "corp.challenge"), 0600U);
    EXPECT_THAT(read_file(file()), AllOf(Not(HasSubstr(canary_pin)), Not(HasSubstr(canary_challenge))));
    EXPECT_THAT(made.out + made.err, AllOf(Not(HasSubstr(canary_pin)), Not(HasSubstr(canary_challenge))));
    const RunResult checked = hwenroll({"check-config"});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
    const RunResult enrolled = run({program("hwenrolld"), "--once", "--config", file().string()});
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.err;
    EXPECT_THAT(hwenroll({"status"}).out, AllOf(HasSubstr("web"), HasSubstr("OK")));
}

/// A line that is in the file as a comment is right once its # is taken away.
TEST_F(Init, every_optional_key_stands_in_the_file_as_a_line_that_works) {
    ASSERT_EQ(init(all({"--pin-file", "-", "--challenge-file", "-"}), secrets()).exit_code, 0);
    const std::string text = read_file(file());
    static const std::regex optional(R"(# ([a-z_]+ = .*))");
    std::istringstream lines(text);
    int found = 0;
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), 160U) << line;
        std::smatch parts;
        if (!std::regex_match(line, parts, optional)) {
            continue;
        }
        ++found;
        std::string changed = text;
        changed.replace(text.find("\n" + line + "\n") + 1, line.size(), parts[1].str());
        write_file(file(), changed);
        const RunResult checked = hwenroll({"check-config"});
        EXPECT_EQ(checked.exit_code, 0) << line << checked.err;
    }
    EXPECT_GE(found, 30);
}

TEST_F(Init, CACERT_4_F9_a_wrong_fingerprint_writes_nothing_and_shows_what_was_received) {
    std::string wrong = pin();
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    const RunResult refused = init(
        {"--url", world_.url(), "--module", SoftHsm::module(), "--fingerprint", wrong, "--pin-file", "-"}, secrets());
    EXPECT_EQ(refused.exit_code, 76);
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-FINGERPRINT"), HasSubstr(pin()), HasSubstr("next: hwenroll init ")));
    expect_nothing_written();
    const RunResult sha1 = init({"--url", world_.url(), "--fingerprint", std::string(40, 'A')});
    EXPECT_EQ(sha1.exit_code, 64);
    EXPECT_THAT(sha1.err, HasSubstr("E-USAGE"));
}

TEST_F(Init, CACERT_8_off_a_terminal_nothing_is_trusted_without_a_fingerprint) {
    const RunResult asked = init({"--url", world_.url(), "--module", SoftHsm::module()}, "yes\nyes\n");
    EXPECT_EQ(asked.exit_code, 64);
    EXPECT_THAT(asked.out, HasSubstr(pin()));
    EXPECT_THAT(asked.err, AllOf(HasSubstr("the CA sent " + pin()), HasSubstr("compare"),
                                 Not(HasSubstr("--fingerprint " + pin()))));
    expect_nothing_written();
    std::string next = asked.err.substr(asked.err.find("next: hwenroll ") + 15);
    EXPECT_EQ(run({"sh", "-c", program("hwenroll") + " " + next}).exit_code, 64)
        << "pasted as it is, it trusts nothing";
    expect_nothing_written();
    const std::string blank = "SHA256:…";
    ASSERT_THAT(next, HasSubstr("--fingerprint " + blank));
    next.replace(next.find(blank), blank.size(), pin());
    const RunResult followed = run({"sh", "-c", program("hwenroll") + " " + next});
    EXPECT_EQ(followed.exit_code, 0) << "with the fingerprint filled in it works: " << next << followed.err;
    EXPECT_TRUE(std::filesystem::exists(file()));
}

TEST_F(Init, N1_an_unreachable_ca_or_none_ends_with_the_next_command) {
    const RunResult nobody = init({"--url", "http://127.0.0.1:9/scep"});
    EXPECT_EQ(nobody.exit_code, 69);
    EXPECT_THAT(nobody.err,
                AllOf(HasSubstr("E-CA-UNREACHABLE"), HasSubstr("next: hwenroll explain E-CA-UNREACHABLE --config "),
                      Not(HasSubstr("next: hwenroll init"))));
    const RunResult none = init({});
    EXPECT_EQ(none.exit_code, 64);
    EXPECT_THAT(none.err, HasSubstr("next: hwenroll init --name web"));
    EXPECT_EQ(init({"--url", "ftp://x"}).exit_code, 64);
    expect_nothing_written();
}

TEST_F(Init, HTTP_4_a_url_with_an_operation_is_refused_with_the_one_to_write) {
    const std::string copied = world_.url() + "?operation=GetCACert";
    const RunResult refused =
        init({"--url", copied, "--module", SoftHsm::module(), "--token", "lab", "--fingerprint", pin()});
    EXPECT_EQ(refused.exit_code, 64);
    EXPECT_THAT(refused.err,
                AllOf(HasSubstr("'url' names one operation of SCEP"), HasSubstr("; write it as " + world_.url())));
    expect_nothing_written();
    const auto at = refused.err.find("next: hwenroll ") + 15;
    const RunResult followed =
        run({"sh", "-c", program("hwenroll") + " " + refused.err.substr(at, refused.err.find('\n', at) - at)});
    EXPECT_EQ(followed.exit_code, 0) << followed.err << refused.err;
    const RunResult shown = run({program("hwenroll"), "ca", "show", copied});
    EXPECT_EQ(shown.exit_code, 64);
    EXPECT_THAT(shown.err, HasSubstr("; write " + world_.url()));
}

TEST_F(Init, F8_S1_what_was_written_and_what_not_is_told_with_what_makes_it_possible) {
    const auto place = file().parent_path();
    std::filesystem::create_directories(place);
    std::filesystem::create_symlink("nowhere", place / "corp.challenge");
    const RunResult second = init(all({"--pin-file", "-", "--challenge-file", "-"}), secrets());
    EXPECT_EQ(second.exit_code, 73);
    EXPECT_THAT(second.err, AllOf(HasSubstr("E-OUTPUT-FILE"),
                                  HasSubstr((place / "lab.pin").string() + " was written before and is removed"),
                                  HasSubstr(file().string() + " was not written either"), HasSubstr("\nnext: "),
                                  Not(HasSubstr("next: hwenroll init"))));
    expect_nothing_written();
    std::filesystem::remove_all(place);
    write_file(place, "in its place");
    const RunResult first = init(all());
    EXPECT_EQ(first.exit_code, 73);
    EXPECT_THAT(first.err, AllOf(HasSubstr("; nothing was written"), HasSubstr("next: ls -ld " + place.string())));
}

TEST_F(Init, T1_without_a_token_says_how_one_is_made) {
    const RunResult nothing = init(all({"--token", "other"}));
    EXPECT_EQ(nothing.exit_code, 69);
    EXPECT_THAT(nothing.err, AllOf(HasSubstr("E-TOKEN-ABSENT"), HasSubstr("no token is 'other'"), HasSubstr("next: ")));
    std::filesystem::rename(world_.hsm().token_directory(), world_.directory() / "away");
    std::filesystem::create_directory(world_.hsm().token_directory());
    const RunResult none = init(all());
    EXPECT_EQ(none.exit_code, 69);
    EXPECT_THAT(none.err, HasSubstr("next: softhsm2-util --init-token"));
    const RunResult broken = init({"--url", world_.url(), "--fingerprint", pin(), "--module", "/etc/hostname"});
    EXPECT_THAT(broken.err, HasSubstr("E-TOKEN-MODULE"));
    expect_nothing_written();
}

TEST_F(Init, of_several_tokens_it_names_the_exact_choices_and_takes_one) {
    world_.hsm().init_token("second");
    const RunResult many = init(all());
    EXPECT_EQ(many.exit_code, 64);
    EXPECT_THAT(many.err, AllOf(HasSubstr("there are 2 tokens"), HasSubstr("--token 'pkcs11:")));
    expect_nothing_written();
    const auto at = many.err.find("next: hwenroll ") + 15;
    const RunResult followed =
        run({"sh", "-c", program("hwenroll") + " " + many.err.substr(at, many.err.find('\n', at) - at)});
    EXPECT_EQ(followed.exit_code, 0) << followed.err;
    EXPECT_EQ(hwenroll({"check-config"}).exit_code, 0);
}

TEST_F(Init, finds_the_modules_of_this_machine_by_itself) {
    const RunResult made = init({"--url", world_.url(), "--fingerprint", pin(), "--token", "lab"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_THAT(read_file(file()), AllOf(HasSubstr("libsofthsm2.so"), HasSubstr("token=lab")));
}

TEST_F(Init, T6_without_a_pin_it_says_how_the_file_is_made_for_the_right_user) {
    const RunResult made = init(all());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string pin_file = (world_.directory() / "new" / "lab.pin").string();
    EXPECT_THAT(made.out, AllOf(HasSubstr(pin_file + " is not there yet"), HasSubstr("install -m 0600"),
                                HasSubstr("/dev/stdin " + pin_file), Not(HasSubstr("\n  install"))))
        << "a secret that is typed must not be seen";
    EXPECT_THAT(read_file(file()), AllOf(HasSubstr("pin = \"file:" + pin_file + "\""), HasSubstr("# challenge = ")));
    EXPECT_FALSE(std::filesystem::exists(pin_file));
    EXPECT_EQ(hwenroll({"check-config"}).exit_code, 0);
    std::filesystem::remove(file());
    EXPECT_EQ(init(all({"--pin-file", "-"}), "").exit_code, 66) << "an empty input is no PIN";
    EXPECT_EQ(init(all({"--pin-file", "relative/pin"})).exit_code, 64);
    expect_nothing_written();
}

TEST_F(Init, never_overwrites_what_is_there) {
    std::filesystem::create_directory(world_.directory() / "new");
    write_file(file(), "# mine\n");
    const RunResult again = init(all());
    EXPECT_EQ(again.exit_code, 64);
    EXPECT_THAT(again.err, HasSubstr("is there already"));
    EXPECT_EQ(read_file(file()), "# mine\n");
    std::filesystem::remove(file());
    write_file(world_.directory() / "new" / "lab.pin", "1\n", 0600);
    EXPECT_EQ(init(all({"--pin-file", "-"}), secrets()).exit_code, 64);
    EXPECT_EQ(read_file(world_.directory() / "new" / "lab.pin"), "1\n");
    EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(Init, beside_a_configuration_it_writes_a_drop_in_and_reuses_its_ca_and_token) {
    const auto directory = world_.directory() / "etc";
    const std::vector<std::string> common{
        program("hwenroll"), "init", "--dir", directory.string(), "--url", world_.url(), "--module", SoftHsm::module()};
    const auto with = [&](const std::vector<std::string>& more) {
        std::vector<std::string> all = common;
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    };
    ASSERT_EQ(with({"--name", "web", "--fingerprint", pin()}).exit_code, 0);
    const std::string main = read_file(directory / "hwenroll.toml");
    const RunResult second = with({"--name", "mail"});
    ASSERT_EQ(second.exit_code, 0) << second.err << "the section vouches for the CA";
    EXPECT_THAT(second.out, AllOf(HasSubstr("[ca.corp] is configured already"), HasSubstr("[token.lab] is")));
    const std::string added = read_file(directory / "conf.d" / "mail.toml");
    EXPECT_THAT(added, AllOf(HasSubstr("[identity.mail]"), HasSubstr("ca = \"corp\""), HasSubstr("token = \"lab\""),
                             Not(HasSubstr("\n[ca.")), Not(HasSubstr("\n[token.")), Not(HasSubstr("\n[agent]"))));
    EXPECT_EQ(read_file(directory / "hwenroll.toml"), main);
    const RunResult twice = with({"--name", "mail"});
    EXPECT_EQ(twice.exit_code, 64);
    EXPECT_THAT(twice.err, HasSubstr("next: hwenroll init --url"));
    EXPECT_EQ(read_file(directory / "conf.d" / "mail.toml"), added);
}

TEST_F(Init, O11_beside_the_identities_of_a_fleet_without_a_main_file_none_is_disabled) {
    const auto directory = world_.directory() / "etc";
    std::filesystem::create_directories(directory / "conf.d");
    const std::string sections = "[ca.corp]\nurl = \"" + world_.url() + "\"\nfingerprint = \"" + pin() +
                                 "\"\n[token.lab]\ntype = \"pkcs11\"\nmodule = \"" + SoftHsm::module() +
                                 "\"\nuri = \"pkcs11:token=lab\"\npin = \"file:" + world_.pin_path().string() +
                                 "\"\n[identity.fleet]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=fleet\"\n";
    write_file(directory / "conf.d" / "fleet.toml", sections);
    const auto with = [&](const std::vector<std::string>& more) {
        std::vector<std::string> line{program("hwenroll"), "init",     "--dir",          directory.string(), "--url",
                                      world_.url(),        "--module", SoftHsm::module()};
        line.insert(line.end(), more.begin(), more.end());
        return run(line);
    };
    const RunResult twice = with({"--name", "fleet"});
    EXPECT_EQ(twice.exit_code, 64) << "an identity of that name is there";
    const RunResult made = with({"--name", "web"});
    ASSERT_EQ(made.exit_code, 0) << made.err << "the section of the fleet vouches for the CA";
    EXPECT_THAT(read_file(directory / "hwenroll.toml"), AllOf(HasSubstr("[agent]"), HasSubstr("[identity.web]"),
                                                              Not(HasSubstr("\n[ca.")), Not(HasSubstr("\n[token."))));
    // As the agent reads them, one after the other.
    write_file(directory / "both.toml", read_file(directory / "hwenroll.toml") + sections);
    const RunResult checked =
        run({program("hwenroll"), "check-config", "--config", (directory / "both.toml").string()});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
    EXPECT_THAT(checked.out, HasSubstr("2 identities, 1 CAs, 1 tokens"));
}

TEST_F(Init, F8_under_a_strict_umask_the_agents_user_still_gets_to_the_configuration) {
    std::vector<std::string> strict{"sh", "-c", "umask 077; exec \"$0\" \"$@\""};
    for (const std::string& word : line(all())) {
        strict.push_back(word);
    }
    const RunResult made = run(strict);
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_EQ(mode_of(file().parent_path()), 0755U);
    EXPECT_EQ(mode_of(file()), 0644U);
}

TEST_F(Init, F8_secrets_are_the_packaged_agents_only_where_the_systems_configuration_is_written) {
    const RunResult made = init(all({"--pin-file", "-", "--challenge-file", "-"}), secrets());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    for (const char* const name : {"lab.pin", "corp.challenge"}) {
        struct stat facts {};
        ASSERT_EQ(::stat((file().parent_path() / name).c_str(), &facts), 0);
        EXPECT_EQ(facts.st_uid, ::geteuid()) << name;
    }
}

TEST_F(Init, ENV_12_an_ec_key_needs_an_envelope_and_a_bad_value_is_named_before_anything_is_written) {
    const RunResult ec = init(all({"--key", "ec:p256"}));
    EXPECT_EQ(ec.exit_code, 64);
    EXPECT_THAT(ec.err, AllOf(HasSubstr("--envelope agree"), HasSubstr("next: ")));
    expect_nothing_written();
    EXPECT_EQ(init(all({"--key", "rsa:512"})).exit_code, 78);
    const RunResult subject = init(all({"--subject", "nonsense"}));
    EXPECT_EQ(subject.exit_code, 78);
    EXPECT_THAT(subject.err, AllOf(HasSubstr(" --subject CN=web01.example.com"), Not(HasSubstr("nonsense --"))));
    expect_nothing_written();
    const RunResult good = init(all({"--key", "ec:p256", "--envelope", "agree"}));
    EXPECT_EQ(good.exit_code, 0) << good.err;
    EXPECT_EQ(hwenroll({"check-config"}).exit_code, 0);
}

TEST_F(Init, ALG_3_a_ca_below_the_floor_gets_legacy_as_an_explained_comment) {
    world_.start_lab_ca({"--caps", "POSTPKIOperation,SHA-1,DES3"});
    const RunResult made = init(all());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr("note: the CA seems to need legacy"));
    EXPECT_THAT(read_file(file()), AllOf(HasSubstr("# legacy = [\"des3\""), HasSubstr("# legacy_until = \"20"),
                                         Not(HasSubstr("\nlegacy"))));
}

TEST_F(Init, CACERT_9_behind_a_root_the_issuing_ca_is_proposed) {
    world_.stop_ca();
    std::filesystem::remove_all(world_.directory() / "ca");
    world_.start_lab_ca({"--topology", "intermediate"});
    const RunResult asked = init({"--url", world_.url(), "--module", SoftHsm::module()});
    EXPECT_EQ(asked.exit_code, 64);
    EXPECT_THAT(asked.out, AllOf(HasSubstr("root CA: "), HasSubstr("issuing CA: ")));
    const std::string issuing = fingerprint_in(asked.out.substr(asked.out.find("issuing CA: ")));
    EXPECT_THAT(asked.err, HasSubstr("the CA sent " + issuing));
    const RunResult shown = run({program("hwenroll"), "ca", "show", world_.url()});
    EXPECT_THAT(shown.out, AllOf(HasSubstr("root CA: "), HasSubstr("issuing CA: "),
                                 HasSubstr("\nfingerprint = \"" + issuing + "\"\n")));
    EXPECT_EQ(json::parse(run({program("hwenroll"), "ca", "show", "--json", world_.url()}).out)["pin"], issuing);
}

TEST_F(Init, tells_scripts_what_it_wrote) {
    const RunResult made = init(all({"--json"}));
    const json told = json::parse(made.out, nullptr, false);
    ASSERT_FALSE(told.is_discarded()) << made.out << made.err;
    EXPECT_EQ(told["schema"], 1);
    EXPECT_EQ(told["written"], json::array({file().string()}));
    EXPECT_EQ(told["token"], "lab");
}

class InitAtATerminal : public Init {};

TEST_F(InitAtATerminal, asks_for_confirmation_token_pin_and_challenge_and_never_shows_them) {
    world_.hsm().init_token("second");
    TerminalSession session(line({"--url", world_.url(), "--module", SoftHsm::module()}));
    ASSERT_TRUE(session.shows("Type yes to trust it:")) << session.screen();
    session.type("yes");
    ASSERT_TRUE(session.shows("Which token")) << session.screen();
    const bool lab_first = session.screen().find("1  'lab'") != std::string::npos;
    session.type(lab_first ? "1" : "2");
    ASSERT_TRUE(session.shows("PIN of token 'lab'")) << session.screen();
    ASSERT_TRUE(session.shows("later):"));
    session.type(canary_pin);
    ASSERT_TRUE(session.shows("Challenge password")) << session.screen();
    ASSERT_TRUE(session.shows("none):"));
    session.type(canary_challenge);
    EXPECT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(session.screen(), AllOf(Not(HasSubstr(canary_pin)), Not(HasSubstr(canary_challenge)),
                                        HasSubstr("next: hwenroll doctor")));
    EXPECT_EQ(read_file(world_.directory() / "new" / "lab.pin"), canary_pin);
    const RunResult enrolled = run({program("hwenrolld"), "--once", "--config", file().string()});
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.err;
}

TEST_F(InitAtATerminal, CACERT_8_a_wrong_answer_trusts_and_writes_nothing) {
    for (const std::string answer : {"no", "y", "", "YES PLEASE"}) {
        TerminalSession session(line({"--url", world_.url(), "--module", SoftHsm::module()}));
        ASSERT_TRUE(session.shows("Type yes to trust it:")) << session.screen();
        session.type(answer);
        EXPECT_EQ(session.end(), 76) << answer;
        EXPECT_THAT(session.screen(),
                    AllOf(HasSubstr("the fingerprint was not confirmed, nothing is written"),
                          HasSubstr("--fingerprint SHA256:…"), Not(HasSubstr("--fingerprint " + pin()))));
        expect_nothing_written();
    }
}

TEST_F(InitAtATerminal, T6_ctrl_u_takes_a_mistyped_pin_back) {
    TerminalSession session(line(all()));
    ASSERT_TRUE(session.shows("later):")) << session.screen();
    for (const char c : std::string("wrong\x15")) {
        session.press(c);
    }
    session.type(std::string("x\x7f") + canary_pin);
    ASSERT_TRUE(session.shows("none):")) << session.screen();
    session.type("");
    EXPECT_EQ(session.end(), 0) << session.screen();
    EXPECT_EQ(read_file(world_.directory() / "new" / "lab.pin"), canary_pin);
}

TEST_F(InitAtATerminal, T9_a_key_that_is_no_character_never_becomes_part_of_a_pin) {
    for (const std::string key : {"\x17", "\x1b[A", "\t", "\x01"}) {
        TerminalSession session(line(all()));
        ASSERT_TRUE(session.shows("later):")) << session.screen();
        session.type("1234" + key + "5678");
        EXPECT_EQ(session.end(), 64) << session.screen();
        EXPECT_THAT(session.screen(), HasSubstr("a key was pressed that is no character"));
        EXPECT_TRUE(session.echoes());
        expect_nothing_written();
    }
}

TEST_F(InitAtATerminal, X13_a_signal_at_the_question_for_a_pin_leaves_a_terminal_that_shows_what_is_typed) {
    for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) {
        TerminalSession session(line(all()));
        ASSERT_TRUE(session.shows("later):")) << session.screen();
        ASSERT_FALSE(session.echoes());
        session.signal(number);
        EXPECT_EQ(session.end(), -number) << session.screen();
        EXPECT_TRUE(session.echoes()) << number;
        expect_nothing_written();
    }
}

TEST_F(InitAtATerminal, a_number_that_is_none_and_ctrl_c_at_the_pin_write_nothing) {
    {
        TerminalSession session(line(all()));
        ASSERT_TRUE(session.shows("later):")) << session.screen();
        session.press('\x03');
        EXPECT_EQ(session.end(), 75) << session.screen();
        expect_nothing_written();
    }
    world_.hsm().init_token("second");
    TerminalSession session(line(all()));
    ASSERT_TRUE(session.shows("1 to 2:")) << session.screen();
    session.type("3");
    EXPECT_EQ(session.end(), 64);
    EXPECT_THAT(session.screen(), HasSubstr("no token was chosen"));
    expect_nothing_written();
}

}  // namespace
}  // namespace hwenroll::test
