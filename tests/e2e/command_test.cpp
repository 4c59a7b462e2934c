// The commands as a person and a script use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Command : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        world_.configure();
    }
    void enroll() { ASSERT_EQ(world_.once().exit_code, 0); }

    static json parsed(const RunResult& result) {
        json value = json::parse(result.out, nullptr, false);
        EXPECT_FALSE(value.is_discarded()) << result.out;
        EXPECT_EQ(value.value("schema", 0), 1);
        return value;
    }

    EnrollmentWorld world_;
};

TEST_F(Command, check_config_says_that_all_is_well_or_where_it_is_not) {
    const RunResult good = world_.hwenroll({"check-config"});
    EXPECT_EQ(good.exit_code, 0);
    EXPECT_THAT(good.out, HasSubstr("configuration is good"));
    world_.configure({.key = "rsa:512"});
    const RunResult bad = world_.hwenroll({"check-config"});
    EXPECT_EQ(bad.exit_code, 78);
    EXPECT_THAT(bad.err, AllOf(HasSubstr("hwenroll.toml:"), HasSubstr("rsa:512"), HasSubstr("; ")));
    const json findings = parsed(world_.hwenroll({"check-config", "--json"}));
    EXPECT_FALSE(findings["ok"].get<bool>());
    EXPECT_EQ(findings["findings"][0]["name"], "web");
}

TEST_F(Command, cat_config_prints_what_is_in_force_so_that_it_reads_back_to_the_same) {
    world_.configure({.identity_extra = "san = [\"dns:a.example.com\"]\nrenew_at = \"36h\"\n"});
    const RunResult first = world_.hwenroll({"cat-config"});
    EXPECT_EQ(first.exit_code, 0) << first.err;
    EXPECT_THAT(first.out, AllOf(HasSubstr("renew_at = \"36h\"  # " + world_.config().string() + ":"),
                                 HasSubstr("\nmax_path = 10  # default\n"),
                                 HasSubstr("pin = \"file:" + world_.pin_path().string() + "\"  # ")));
    world_.expect_no_canary({first.out});
    const json before = parsed(world_.hwenroll({"cat-config", "--json"}));
    write_file(world_.config(), first.out);
    EXPECT_EQ(world_.hwenroll({"check-config"}).exit_code, 0);
    const json after = parsed(world_.hwenroll({"cat-config", "--json"}));
    const json& web = before["configuration"]["identity"]["web"];
    EXPECT_EQ(web["renew_at"]["value"], "36h");
    EXPECT_EQ(web["poll"]["give_up"]["value"], "7d");
    EXPECT_EQ(web["poll"]["give_up"]["from"], "default");
    EXPECT_TRUE(web["group"]["value"].is_null());
    EXPECT_EQ(after["configuration"]["identity"]["web"]["renew_at"]["value"], "36h");
    EXPECT_EQ(after["configuration"]["ca"]["corp"]["fingerprint"]["value"],
              before["configuration"]["ca"]["corp"]["fingerprint"]["value"]);
}

TEST_F(Command, cat_config_leaves_out_what_is_disabled_and_says_so) {
    world_.configure({.key = "rsa:512"});
    const RunResult result = world_.hwenroll({"cat-config"});
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.out, AllOf(HasSubstr("[token.lab]"), Not(HasSubstr("[identity.web]"))));
    EXPECT_THAT(result.err, HasSubstr("E-CONFIG-VALUE identity.web: "));
    EXPECT_EQ(parsed(world_.hwenroll({"cat-config", "--json"}))["disabled"][0]["name"], "web");
}

TEST_F(Command, explain_says_what_a_code_means_and_lists_all) {
    const RunResult one = world_.hwenroll({"explain", "e-token-pin"});
    EXPECT_EQ(one.exit_code, 0) << one.err;
    EXPECT_THAT(one.out, AllOf(testing::StartsWith("E-TOKEN-PIN: the token refused the PIN (exit code 77)\n\n  The "),
                               HasSubstr("hwenroll resume"), HasSubstr("\nNext: not trying again")));
    const RunResult all = world_.hwenroll({"explain"});
    EXPECT_EQ(all.exit_code, 0);
    const json codes = parsed(world_.hwenroll({"explain", "--json"}))["codes"];
    ASSERT_EQ(codes.size(), error_table().size());
    for (const ErrorInfo& info : error_table()) {
        EXPECT_THAT(all.out, HasSubstr(std::string(info.name) + " "));
    }
    EXPECT_EQ(codes[0]["explanation"], error_table().front().explanation);
    EXPECT_EQ(parsed(world_.hwenroll({"explain", "E-INTERNAL", "--json"}))["codes"][0]["exit_code"], 70);
}

TEST_F(Command, explain_of_an_unknown_code_suggests_one) {
    const RunResult near = world_.hwenroll({"explain", "E-TOKEN-PINN"});
    EXPECT_EQ(near.exit_code, 64);
    EXPECT_EQ(near.err, "E-UNKNOWN-NAME there is no error code 'E-TOKEN-PINN'; did you mean 'E-TOKEN-PIN'?\n");
    EXPECT_THAT(world_.hwenroll({"explain", "zzz"}).err, HasSubstr("; 'hwenroll explain --config "));
}

TEST_F(Command, status_before_and_after_the_enrollment) {
    const RunResult before = world_.hwenroll({"status"});
    EXPECT_EQ(before.exit_code, 0) << before.err;
    EXPECT_THAT(before.out, AllOf(HasSubstr("web"), HasSubstr("NEW"), Not(HasSubstr("\033"))));
    enroll();
    const RunResult after = world_.hwenroll({"status"});
    EXPECT_THAT(after.out, AllOf(HasSubstr("OK"), testing::AnyOf(HasSubstr("89 d 23 h"), HasSubstr("90 d")),
                                 Not(HasSubstr("\033"))));
    const RunResult one = world_.hwenroll({"status", "web"});
    EXPECT_THAT(one.out, AllOf(HasSubstr("CN=web01.example.com"), HasSubstr("generation 1"), HasSubstr("published")));
    const json status = parsed(world_.hwenroll({"status", "--json"}));
    EXPECT_EQ(status["identities"][0]["state"], "OK");
    EXPECT_EQ(status["identities"][0]["generation"], 1);
}

TEST_F(Command, status_shows_the_last_error) {
    world_.stop_ca();
    ASSERT_EQ(world_.once().exit_code, 69);
    const RunResult status = world_.hwenroll({"status", "web"});
    EXPECT_THAT(status.out, AllOf(HasSubstr("RETRYING"), HasSubstr("E-CA-UNREACHABLE")));
}

TEST_F(Command, status_of_a_disabled_identity) {
    world_.configure({.key = "rsa:512"});
    EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("DISABLED"));
}

TEST_F(Command, an_unknown_identity_is_a_usage_error) {
    const RunResult result = world_.hwenroll({"status", "nobody"});
    EXPECT_EQ(result.exit_code, 64);
    EXPECT_THAT(result.err, HasSubstr("E-UNKNOWN-NAME"));
}

TEST_F(Command, SM_15_resume_ends_a_hold) {
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, "not-the-right-one", 0600);
    world_.configure({.challenge = "file:" + path.string()});
    ASSERT_EQ(world_.once().exit_code, 76);
    EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("HELD(rejected)"));
    const json resumed = parsed(world_.hwenroll({"resume", "web", "--json"}));
    EXPECT_EQ(resumed["identity"], "web");
    EXPECT_TRUE(resumed["hold_released"].get<bool>());
    EXPECT_FALSE(resumed["pin_released"].get<bool>());
    EXPECT_THAT(world_.hwenroll({"status"}).out, Not(HasSubstr("HELD")));
    EXPECT_THAT(world_.hwenroll({"status", "web"}).out, HasSubstr("released by an operator"));
    EXPECT_EQ(world_.once().exit_code, 76) << "asked once more";
    std::filesystem::remove(path);
}

TEST_F(Command, resume_of_what_needs_none_and_of_an_unknown_identity) {
    const RunResult before = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(before.exit_code, 0) << before.err;
    EXPECT_THAT(before.out, HasSubstr("web: nothing to resume"));
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "state")) << "no agent has ever run";
    enroll();
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, HasSubstr("nothing to resume"));
    const RunResult unknown = world_.hwenroll({"resume", "nobody"});
    EXPECT_EQ(unknown.exit_code, 64);
    EXPECT_THAT(unknown.err, HasSubstr("E-UNKNOWN-NAME"));
}

TEST_F(Command, list_names_identities_with_ca_and_token) {
    EXPECT_THAT(world_.hwenroll({"list"}).out, AllOf(HasSubstr("web"), HasSubstr("corp"), HasSubstr("lab")));
    EXPECT_EQ(parsed(world_.hwenroll({"list", "--json"}))["identities"][0]["ca"], "corp");
}

TEST_F(Command, CACERT_8_ca_show_prints_fingerprints_and_a_block_that_works) {
    const RunResult shown = world_.hwenroll({"ca", "show", world_.url()});
    ASSERT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_THAT(shown.out,
                AllOf(HasSubstr("SHA256:"), HasSubstr("[ca.ca]"), HasSubstr("Nothing of this is authenticated")));
    const json answer = parsed(world_.hwenroll({"ca", "show", "corp", "--json"}));
    world_.configure({.fingerprint = answer["pin"].get<std::string>()});
    EXPECT_EQ(world_.once().exit_code, 0);
}

TEST_F(Command, ca_show_of_an_unreachable_ca_and_of_an_unknown_name) {
    EXPECT_EQ(world_.hwenroll({"ca", "show", "http://127.0.0.1:9/scep"}).exit_code, 69);
    EXPECT_EQ(world_.hwenroll({"ca", "show", "nobody"}).exit_code, 64);
}

TEST_F(Command, token_list_needs_no_pin) {
    std::filesystem::remove(world_.pin_path());
    const RunResult listed = world_.hwenroll({"token", "list"});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    EXPECT_THAT(listed.out, AllOf(HasSubstr("lab"), HasSubstr("SoftHSM")));
}

TEST_F(Command, token_keys_shows_that_the_key_never_leaves) {
    EXPECT_THAT(world_.hwenroll({"token", "keys"}).out, HasSubstr("no private key"));
    enroll();
    const RunResult keys = world_.hwenroll({"token", "keys", "lab"});
    EXPECT_EQ(keys.exit_code, 0) << keys.err;
    EXPECT_THAT(keys.out, AllOf(HasSubstr("never extractable: yes"), HasSubstr("made on the token  yes")));
    const json listed = parsed(world_.hwenroll({"token", "keys", "--json"}));
    ASSERT_EQ(listed["keys"].size(), 1U);
    EXPECT_TRUE(listed["keys"][0]["confined"].get<bool>());
}

TEST_F(Command, token_keys_shows_ec_keys_beside_rsa_keys) {
    enroll();
    const RunResult made =
        run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login", "--pin", canary_pin,
             "--keypairgen", "--key-type", "EC:prime256v1", "--id", "a1", "--label", "foreign"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const RunResult keys = world_.hwenroll({"token", "keys"});
    EXPECT_EQ(keys.exit_code, 0) << keys.err;
    EXPECT_THAT(keys.out, AllOf(HasSubstr("token lab: RSA 2048 'hwenroll web'"),
                                HasSubstr("token lab: EC P-256 'foreign'\n  id                 A1\n")));
    const json listed = parsed(world_.hwenroll({"token", "keys", "--json"}));
    ASSERT_EQ(listed["keys"].size(), 2U);
    const auto& foreign = listed["keys"][listed["keys"][0]["label"] == "foreign" ? 0 : 1];
    EXPECT_EQ(foreign["key"], "EC P-256");
    EXPECT_EQ(foreign["id"], "A1");
}

TEST_F(Command, F4_token_purge_shows_keys_that_nothing_needs_and_destroys_them_when_told) {
    enroll();
    EXPECT_THAT(world_.hwenroll({"token", "purge", "lab"}).out, HasSubstr("token lab: no key without a use"));
    const std::string kept = read_file(world_.config());
    write_file(world_.config(), std::string(kept).replace(kept.find("[identity.web]"), 14, "[identity.new]"));
    const RunResult shown = world_.hwenroll({"token", "purge", "lab"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_THAT(shown.out, AllOf(HasSubstr("RSA 2048, of an identity that is not configured any more, 'web'"),
                                 HasSubstr("to destroy: hwenroll token purge lab --identity web --yes --config ")));
    EXPECT_EQ(world_.objects("Private Key Object"), 1) << "only shown";
    EXPECT_EQ(world_.hwenroll({"token", "purge", "lab", "--yes"}).exit_code, 64) << "what is not said";
    EXPECT_THAT(world_.hwenroll({"token", "purge", "lab", "--identity", "mail", "--yes"}).out,
                HasSubstr("nothing was destroyed"));
    EXPECT_EQ(world_.objects("Private Key Object"), 1);

    write_file(world_.config(), read_file(world_.config()) + "nonsense = 1\n");
    const RunResult refused = world_.hwenroll({"token", "purge", "lab", "--identity", "web", "--yes"});
    EXPECT_EQ(refused.exit_code, 78);
    EXPECT_THAT(refused.err, HasSubstr("nothing is destroyed while the configuration has faults"));
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    write_file(world_.config(), std::string(kept).replace(kept.find("[identity.web]"), 14, "[identity.new]"));

    const RunResult purged = world_.hwenroll({"token", "purge", "lab", "--identity", "web", "--yes"});
    EXPECT_EQ(purged.exit_code, 0) << purged.err;
    EXPECT_THAT(purged.out, HasSubstr("token lab: destroyed "));
    EXPECT_EQ(world_.objects("Private Key Object"), 0);
    EXPECT_EQ(world_.objects("Public Key Object"), 0);
    write_file(world_.config(), kept);
    EXPECT_THAT(world_.hwenroll({"history", "web"}).out, HasSubstr("its keys were destroyed by an operator"));
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err << "its state was forgotten with its keys, so it enrolls anew";
    world_.expect_no_canary({shown.out, purged.out, purged.err});
}

TEST_F(Command, F4_token_purge_that_was_cut_short_is_completed_by_the_next_one) {
    enroll();
    const json keys = parsed(world_.hwenroll({"token", "keys", "--json"}));
    const RunResult deleted =
        run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login", "--pin", canary_pin,
             "--delete-object", "--type", "privkey", "--id", keys["keys"][0]["id"].get<std::string>()});
    ASSERT_EQ(deleted.exit_code, 0) << deleted.err;
    const std::string kept = read_file(world_.config());
    write_file(world_.config(), std::string(kept).replace(kept.find("[identity.web]"), 14, "[identity.new]"));
    EXPECT_EQ(world_.hwenroll({"token", "purge", "lab", "--identity", "mail", "--yes"}).exit_code, 0);
    EXPECT_THAT(world_.hwenroll({"token", "purge", "lab", "--identity", "web", "--yes"}).out,
                HasSubstr("nothing was destroyed"));
    write_file(world_.config(), kept);
    EXPECT_THAT(world_.hwenroll({"history", "web"}).out, HasSubstr("its state is forgotten"));
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
}

TEST_F(Command, F4_T19_token_purge_leaves_what_is_in_use_or_somebody_elses) {
    enroll();
    const RunResult made =
        run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login", "--pin", canary_pin,
             "--keypairgen", "--key-type", "EC:prime256v1", "--id", "a1", "--label", "hwenroll web"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const json keys = parsed(world_.hwenroll({"token", "keys", "--json"}));
    for (const json& key : keys["keys"]) {
        const RunResult purged =
            world_.hwenroll({"token", "purge", "lab", "--key", key["id"].get<std::string>(), "--yes", "--json"});
        EXPECT_EQ(purged.exit_code, 0) << purged.err;
        EXPECT_TRUE(parsed(purged)["keys"].empty());
    }
    EXPECT_EQ(world_.objects("Private Key Object"), 2);
    EXPECT_EQ(world_.hwenroll({"token", "purge", "lab", "--key", "xyz", "--yes"}).exit_code, 64);
    EXPECT_EQ(world_.hwenroll({"token", "purge", "nowhere"}).exit_code, 64);
}

TEST_F(Command, T9_token_keys_keeps_the_pin_rules) {
    write_file(world_.directory() / "wrong.pin", "0000", 0600);
    world_.configure({.pin = "file:" + (world_.directory() / "wrong.pin").string()});
    EXPECT_EQ(world_.hwenroll({"token", "keys"}).exit_code, 77);
    const RunResult again = world_.hwenroll({"token", "keys"});
    EXPECT_EQ(again.exit_code, 77);
    EXPECT_THAT(again.err, HasSubstr("until the PIN source changes"));
}

TEST_F(Command, scep_decode_prints_messages_and_names_the_offset_of_malformed_ones) {
    const std::string data = test_data("captures/");
    const RunResult request = run({program("hwenroll"), "scep", "decode", data + "step-aes.64.req.der"});
    EXPECT_EQ(request.exit_code, 0) << request.err;
    EXPECT_THAT(request.out, AllOf(HasSubstr("PKCSReq"), HasSubstr("transactionID")));
    const RunResult reply = run({program("hwenroll"), "scep", "decode", data + "step-aes.64.rep.der", "--recipient-key",
                                 data + "client-key.pem", "--json"});
    EXPECT_EQ(reply.exit_code, 0) << reply.err;
    const json body = json::parse(reply.out);
    EXPECT_EQ(body["schema"], 1);
    EXPECT_EQ(body["command"], "scep decode");
    EXPECT_EQ(body["kind"], "CertRep SUCCESS");
    EXPECT_THAT(body["lines"].dump(), HasSubstr("\"opened\""));
    const std::string cut = (world_.directory() / "cut.der").string();
    write_file(cut, read_file(data + "step-aes.64.rep.der").substr(0, 500));
    const RunResult malformed = run({program("hwenroll"), "scep", "decode", cut});
    EXPECT_EQ(malformed.exit_code, 76);
    EXPECT_THAT(malformed.err, AllOf(HasSubstr("E-SCEP-STRUCTURE "), HasSubstr("cut.der"), HasSubstr("octet 500: ")));
    const RunResult missing = run({program("hwenroll"), "scep", "decode", "/nowhere"});
    EXPECT_EQ(missing.exit_code, 66);
    EXPECT_THAT(missing.err, HasSubstr("E-INPUT-FILE "));
}

TEST_F(Command, a_usage_error_is_one_line_and_64) {
    const RunResult result = run({program("hwenroll"), "no-such-command"});
    EXPECT_EQ(result.exit_code, 64);
    EXPECT_THAT(result.err, testing::StartsWith("E-USAGE"));
    EXPECT_EQ(run({program("hwenrolld"), "--nonsense"}).exit_code, 64);
    EXPECT_EQ(run({program("hwenroll"), "--help"}).exit_code, 0);
    for (const char* name : {"hwenroll", "hwenrolld", "scep-lab-ca"}) {
        const RunResult version = run({program(name), "--version"});
        EXPECT_EQ(version.exit_code, 0) << version.err;
        EXPECT_THAT(version.out, testing::MatchesRegex(std::string(name) + " [0-9]+\\.[0-9]+\\.[0-9]+\n"));
    }
}

TEST_F(Command, O1_a_command_that_is_none_is_told_with_the_nearest_one_also_beside_help) {
    const auto expect = [](std::vector<std::string> words, const std::string& what) {
        words.insert(words.begin(), program("hwenroll"));
        const RunResult result = run(words);
        EXPECT_EQ(result.exit_code, 64) << result.out;
        EXPECT_EQ(result.out, "");
        EXPECT_THAT(result.err, HasSubstr(what));
    };
    expect({"enrol", "--help"}, "there is no command 'hwenroll enrol'; did you mean 'hwenroll enroll'?");
    expect({"enrol", "web"}, "did you mean 'hwenroll enroll'?");
    expect({"nothing-like-it", "--help"}, "see 'hwenroll --help'");
    expect({"ca", "shwo", "--help"}, "did you mean 'hwenroll ca show'?");
    for (const std::vector<std::string>& good : {std::vector<std::string>{"--help"},
                                                 {"ca", "--help"},
                                                 {"status", "--help"},
                                                 {"status", "web", "--help"},
                                                 {"ca", "show", "--help"}}) {
        std::vector<std::string> words = good;
        words.insert(words.begin(), program("hwenroll"));
        EXPECT_EQ(run(words).exit_code, 0) << words.back();
    }
}

TEST_F(Command, O1_a_usage_error_names_the_option_and_the_help_of_the_command) {
    const auto expect = [](std::vector<std::string> words, const std::string& what) {
        words.insert(words.begin(), program("hwenroll"));
        const RunResult result = run(words);
        EXPECT_EQ(result.exit_code, 64) << result.out;
        EXPECT_THAT(result.err, AllOf(testing::StartsWith("E-USAGE "), HasSubstr(what)));
    };
    expect({"renew", "web", "--rekei"},
           "'hwenroll renew' has no option '--rekei'; did you mean '--rekey'? see 'hwenroll renew --help'");
    expect({"renew", "web", "--zzzzzzzz=3"}, "has no option '--zzzzzzzz'; see 'hwenroll renew --help'");
    expect({"renew"}, "hwenroll renew: ID is required; see 'hwenroll renew --help'");
    expect({"ca", "show"}, "; see 'hwenroll ca show --help'");
    expect({"history", "--limit", "many"}, "--limit");
    expect({"history", "--limit", "many"}, "; see 'hwenroll history --help'");
    expect({"--nonsense"}, "; see 'hwenroll --help'");
}

TEST_F(Command, O1_a_misspelt_name_is_told_with_the_nearest_one) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"status", "wbe"}, {"history", "wbe"}, {"resume", "wbe"}, {"plan", "wbe"}}) {
        const RunResult result = world_.hwenroll(words);
        EXPECT_EQ(result.exit_code, 64);
        EXPECT_THAT(result.err, HasSubstr("there is no identity 'wbe'; did you mean 'web'?"));
    }
    EXPECT_THAT(world_.hwenroll({"ca", "show", "crop"}).err, HasSubstr("there is no CA 'crop'; did you mean 'corp'?"));
    EXPECT_THAT(world_.hwenroll({"token", "keys", "lba"}).err, HasSubstr("did you mean 'lab'?"));
    EXPECT_THAT(world_.hwenroll({"status", "zzzzzz"}).err, HasSubstr("'hwenroll list --config "));
}

TEST_F(Command, F7_a_directory_for_config_is_told_with_the_file_to_name) {
    const std::string directory = world_.directory().path().string();
    const RunResult result = run({program("hwenroll"), "check-config", "--config", directory});
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.err,
                HasSubstr("(it is a directory); name one file, as in --config " + directory + "/hwenroll.toml"));
}

TEST_F(Command, progress_is_shown_on_a_terminal_and_nowhere_else) {
    const std::string line = program("hwenrolld") + " --once --config " + world_.config().string();
    ChildOptions terminal;
    terminal.environment = {"TERM=xterm"};
    const RunResult shown = run({"script", "--quiet", "--return", "--command", line, "/dev/null"}, terminal);
    EXPECT_EQ(shown.exit_code, 0);
    EXPECT_THAT(shown.out,
                AllOf(HasSubstr("\r\033[Kweb: making rsa:2048 on token 'lab'"), HasSubstr("generation 1 published")));
    EXPECT_THAT(shown.out.substr(shown.out.rfind(" …")), HasSubstr("\r\033[K")) << "the last line is taken away";
    EXPECT_EQ(world_.once().err, "");
}

}  // namespace
}  // namespace hwenroll::test
