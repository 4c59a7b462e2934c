// `hwenroll adopt`: a certificate that somebody else obtained, for a key that is on the identity's token, becomes the
// identity's own. The challenge cannot be read in any of these worlds, so nothing but a certificate can enroll.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::int64_t day_seconds = 86400;
constexpr const char* identity_subject = "/CN=web01.example.com/O=Example";
constexpr const char* no_challenge = "file:/nowhere";

std::vector<std::string> lives() {
    return {"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both"};
}

/// What another tool may have obtained; openssl(1) signs it with the lab CA's key, from the real today on.
struct Wanted {
    std::string subject = identity_subject;
    std::string san = "DNS:web01.example.com";
    int days = 7300;
    std::string issuer = "ca/ca";  ///< `.pem` and `.key` below the world's directory
};

class Adoption : public testing::Test {
 protected:
    static void make_key(const std::string& id, const std::vector<std::string>& more = {}) {
        std::vector<std::string> line{
            "pkcs11-tool",  "--module",   SoftHsm::module(), "--token-label", "lab", "--login", "--pin",  canary_pin,
            "--keypairgen", "--key-type", "rsa:2048",        "--id",          id,    "--label", "brought"};
        line.insert(line.end(), more.begin(), more.end());
        must_run(std::move(line));
    }

    static void must_run(std::vector<std::string> line) {
        const RunResult result = run(std::move(line));
        ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    }

    [[nodiscard]] std::string at(const std::string& name) const { return (world_.directory() / name).string(); }

    /// A certificate for the key `id` on the token.
    std::string certify(const std::string& id, const Wanted& wanted = {}) {
        const std::string spki = at("spki-" + id + ".pem");
        if (std::filesystem::exists(spki)) {
            return certify_public_key(spki, wanted);
        }
        must_run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login", "--pin", canary_pin,
                  "--read-object", "--type", "pubkey", "--id", id, "--output-file", at("key.der")});
        must_run({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", at("key.der"), "-pubout", "-out", spki});
        return certify_public_key(spki, wanted);
    }

    std::string certify_public_key(const std::string& spki, const Wanted& wanted) {
        const std::string number = std::to_string(++serial_);
        write_file(at("extensions"),
                   "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\n"
                   "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=" +
                       wanted.san + "\n");
        std::string pem = at("brought-" + number + ".pem");
        must_run({"openssl", "x509", "-new", "-subj", wanted.subject, "-force_pubkey", spki, "-CA",
                  at(wanted.issuer + ".pem"), "-CAkey", at(wanted.issuer + ".key"), "-set_serial", "77" + number,
                  "-days", std::to_string(wanted.days), "-extfile", at("extensions"), "-out", pem});
        return pem;
    }

    /// The daemon waits for a challenge that does not come.
    void start(ConfigurationChanges changes) {
        changes.challenge = no_challenge;
        world_.configure(changes);
        world_.start_daemon();
        world_.eventually("the missing challenge", [&] {
            return world_.said("E-CHALLENGE-SOURCE") && world_.listens() && world_.word() == "RETRYING";
        });
    }

    RunResult adopt(const std::string& file, std::vector<std::string> more = {}) {
        std::vector<std::string> line{"adopt", "web", "--certificate", file};
        line.insert(line.end(), more.begin(), more.end());
        return world_.command(std::move(line));
    }

    void expect_adopted(const std::string& file) {
        const RunResult adopted = adopt(file, {"--wait"});
        EXPECT_EQ(adopted.exit_code, 0) << adopted.out << adopted.err;
        EXPECT_THAT(adopted.out, HasSubstr("web: the certificate is adopted, valid until "));
        EXPECT_EQ(world_.word(), "OK") << "it has settled";
        EXPECT_EQ(world_.generation(), "gen-001");
    }

    [[nodiscard]] std::string history() const { return world_.command({"history", "web"}).out; }

    /// Says why; expect_nothing_changed() is for the end of all.
    void expect_refusal(const std::string& file, int exit_code, const std::string& code, const std::string& why) {
        const RunResult refused = adopt(file, {"--wait"});
        EXPECT_EQ(refused.exit_code, exit_code) << refused.out << refused.err;
        EXPECT_THAT(refused.err, AllOf(StartsWith(code + " web: "), HasSubstr(why)));
        EXPECT_EQ(refused.out, "");
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
    }

    void expect_nothing_changed(const std::string& history_before, int keys) const {
        EXPECT_EQ(history(), history_before) << "each transition has a line";
        EXPECT_EQ(world_.word(), "RETRYING");
        EXPECT_EQ(world_.objects("Private Key Object"), keys);
    }

    DaemonWorld world_{lives()};
    int serial_ = 0;
};

TEST_F(Adoption, REN_3_a_certificate_of_an_earlier_installation_is_published_and_signs_its_renewal) {
    make_key("9a01");
    world_.configure({.key = "existing:pkcs11:id=%9a%01"});
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(world_.stop_daemon(), 0);
    const Certificate before = *world_.leaf();
    const std::string file = at("earlier.pem");
    std::filesystem::copy_file(world_.live() / "fullchain.pem", file);
    std::filesystem::remove_all(at("state"));
    std::filesystem::remove_all(at("live"));

    const std::string told = at("told");
    start({.key = "existing:pkcs11:id=%9a%01",
           .identity_extra = "san = [\"dns:web01.example.com\"]\non_change = [[\"/bin/sh\", \"-c\", "
                             "\"echo $HWENROLL_GENERATION >> " +
                             told + "\"]]\n"});
    world_.go_to_day(1);
    const RunResult adopted = adopt(file, {"--wait", "--json"});
    ASSERT_EQ(adopted.exit_code, 0) << adopted.out << adopted.err;
    const json answer = json::parse(adopted.out);
    EXPECT_EQ(answer["command"], "adopt");
    EXPECT_EQ(answer["changed"], true);
    EXPECT_EQ(answer["event"]["settled"], true);
    EXPECT_EQ(answer["event"]["state"], "OK");
    EXPECT_EQ(world_.generation(), "gen-001");
    EXPECT_EQ(*world_.leaf(), before);
    EXPECT_EQ(read_file(told), "1\n") << "consumers are told before it has settled";
    EXPECT_THAT(read_file(world_.live() / "key.uri"), HasSubstr("id=%9A%01"));
    world_.expect_published(world_.now());
    EXPECT_EQ(world_.issued().size(), 1U) << "nothing is issued for an adoption";

    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    EXPECT_THAT(world_.requests().back(), HasSubstr("\"messageType\":\"17\""));
    EXPECT_EQ(world_.leaf()->public_key(), before.public_key()) << "an existing key is renewed with itself";
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Adoption, is_refused_with_the_reason_and_nothing_has_changed_and_the_right_one_is_taken_afterwards) {
    make_key("01");
    make_key("02", {"--extractable"});
    const std::string good = certify("01");
    start({});
    const std::string before = history();
    expect_refusal(certify("01", {.subject = "/CN=web02.example.com/O=Example"}), 76, "E-SCEP-CERTIFICATE",
                   "CN=web02.example.com,O=Example' instead of 'CN=web01.example.com,O=Example");
    expect_refusal(certify("01", {.san = "DNS:web02.example.com"}), 76, "E-SCEP-CERTIFICATE",
                   "lacks the subjectAltName dns:web01.example.com");
    expect_refusal(certify("01", {.days = 1}), 76, "E-SCEP-CERTIFICATE", "has already expired");
    must_run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("other.key"), "-subj",
              "/CN=Other CA", "-days", "7300", "-out", at("other.pem")});
    expect_refusal(certify("01", {.issuer = "other"}), 76, "E-SCEP-CHAIN", "adopt it under the CA that issued it");
    must_run({"openssl", "rsa", "-in", at("other.key"), "-pubout", "-out", at("absent.pem")});
    expect_refusal(certify_public_key(at("absent.pem"), {}), 69, "E-TOKEN-KEY-MISSING", "not on token 'lab'");
    expect_refusal(certify("02"), 76, "E-TOKEN-KEY-POLICY", "could leave the token");

    const RunResult unknown = world_.command({"adopt", "nobody", "--certificate", good});
    EXPECT_EQ(unknown.exit_code, 64);
    EXPECT_THAT(unknown.err, StartsWith("E-UNKNOWN-NAME "));
    write_file(at("garbage.pem"), "garbage\n");
    EXPECT_EQ(adopt(at("garbage.pem")).exit_code, 66);

    expect_nothing_changed(before, 3);  // both that were brought, and the attempt's own
    expect_adopted(good);
    world_.eventually("the end of the attempt's key", [&] { return world_.objects("Private Key Object") == 2; });
    const RunResult again = adopt(good, {"--json"});
    EXPECT_EQ(again.exit_code, 0);
    EXPECT_EQ(json::parse(again.out)["changed"], false);
    EXPECT_THAT(json::parse(again.out)["text"].get<std::string>(), HasSubstr("it has a certificate"));
    EXPECT_EQ(world_.generation(), "gen-001");
    EXPECT_TRUE(world_.issued().empty());
    EXPECT_EQ(world_.stop_daemon(), 0);
    EXPECT_EQ(adopt(good).exit_code, 69) << "nobody is there to take it";
}

TEST_F(Adoption, takes_the_key_that_the_configuration_names_and_no_other) {
    make_key("01");
    make_key("02");
    const std::string file = certify("01");
    start({.key = "existing:pkcs11:id=%02"});
    const std::string before = history();
    expect_refusal(file, 69, "E-TOKEN-KEY-MISMATCH", "another key than existing:pkcs11:id=%02");
    expect_nothing_changed(before, 2);
    world_.configure({.challenge = no_challenge, .key = "existing:pkcs11:id=%01"});
    world_.reload();
    world_.eventually("the other key", [&] { return adopt(file).exit_code == 0; });
    world_.eventually("the publication", [&] { return world_.word() == "OK"; });
    EXPECT_THAT(read_file(world_.live() / "key.uri"), HasSubstr("id=%01"));
    EXPECT_EQ(world_.objects("Private Key Object"), 2);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Adoption, waits_for_no_ca_that_cannot_be_asked_and_no_token_that_is_away) {
    make_key("01");
    const std::string file = certify("01");
    world_.stop_ca();
    world_.configure({.challenge = no_challenge, .key = "existing:pkcs11:id=%01"});
    world_.start_daemon();
    world_.eventually("the failed attempt", [&] { return world_.said("E-CA-UNREACHABLE") && world_.listens(); });
    const RunResult unjudged = adopt(file);
    EXPECT_EQ(unjudged.exit_code, 69) << unjudged.err;
    EXPECT_THAT(unjudged.err, StartsWith("E-CA-UNREACHABLE "));
    world_.restart_ca(lives());
    const auto tokens = world_.hsm().token_directory();
    EXPECT_EQ(world_.stop_daemon(), 0);
    std::filesystem::rename(tokens, tokens.string() + ".away");
    std::filesystem::create_directory(tokens);
    world_.start_daemon();
    world_.eventually("the missing token", [&] { return world_.said("E-TOKEN-ABSENT") && world_.listens(); });
    const RunResult refused = adopt(file);
    EXPECT_EQ(refused.exit_code, 69) << refused.err;
    EXPECT_THAT(refused.err, StartsWith("E-TOKEN-ABSENT "));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Adoption, invariant_9_is_published_after_a_kill_behind_its_commit) {
    make_key("01");
    const std::string file = certify("01");
    world_.configure({.challenge = no_challenge, .key = "existing:pkcs11:id=%01"});
    world_.start_daemon({"HWENROLL_FAILPOINT=issue-committed"});
    world_.eventually("the missing challenge", [&] { return world_.said("E-CHALLENGE-SOURCE") && world_.listens(); });
    const RunResult lost = adopt(file);
    EXPECT_EQ(lost.exit_code, 69) << lost.out << lost.err;
    EXPECT_THAT(lost.err, HasSubstr("before it answered"));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    world_.stop_ca();
    world_.start_daemon();
    world_.eventually("the publication", [&] { return world_.word() == "OK" && world_.listens(); });
    EXPECT_EQ(world_.generation(), "gen-001");
    EXPECT_THAT(read_file(world_.live() / "key.uri"), HasSubstr("id=%01"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Adoption, O7_does_not_take_the_place_of_a_request_that_the_ca_is_deciding_until_that_is_cancelled) {
    auto options = lives();
    options.emplace_back("--pending-until-approved");
    world_.restart_ca(options);
    make_key("01");
    const std::string file = certify("01");
    world_.configure({.key = "existing:pkcs11:id=%01"});
    world_.start_daemon();
    world_.eventually("the request", [&] { return world_.pending() == 1 && world_.word() == "PENDING"; });
    const RunResult refused = adopt(file, {"--wait"});
    EXPECT_EQ(refused.exit_code, 0) << refused.err;
    EXPECT_THAT(refused.out, HasSubstr("'hwenroll cancel web --config " + world_.config().string() + "' ends that"));
    EXPECT_EQ(world_.word(), "PENDING");
    EXPECT_EQ(world_.command({"cancel", "web"}).exit_code, 0);
    world_.eventually("the hold", [&] { return world_.word().starts_with("HELD"); });
    expect_adopted(file);
    EXPECT_TRUE(world_.issued().empty());
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
