// Challenges: read when a request is made, from each kind of source, seen by nobody but the CA, and never sent again in
// a loop once refused (SEC-1 to SEC-3, CSR-2, CSR-6, FI-2, C24).
#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "tests/e2e/daemon_world.h"
#include "tests/support/clock_file.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class Challenge : public testing::Test {
 protected:
    [[nodiscard]] int operations() const {
        int count = 0;
        for (const std::string& line : world_.requests()) {
            count += json::parse(line)["operation"] == "PKIOperation" ? 1 : 0;
        }
        return count;
    }

    /// One that works once, as an operator gets it.
    [[nodiscard]] std::string fresh() const {
        const RunResult given = run({"curl", "-sS", "--fail", lab_url()});
        EXPECT_EQ(given.exit_code, 0) << given.err;
        return given.out.substr(0, given.out.find('\n'));
    }

    [[nodiscard]] std::string lab_url() const {
        return fmt::format("http://127.0.0.1:{}/lab/challenge", world_.port());
    }

    /// `exec:` of a script that says `text`.
    [[nodiscard]] std::string command(const std::string& text) const {
        const auto path = world_.directory() / "challenge.sh";
        write_file(path, "#!/bin/sh\n" + text + "\n", 0700);
        return "exec:" + path.string();
    }

    /// Refused with `why`, held, and nothing sent again while its source is the same.
    void expect_held(const std::string& why) {
        const int before = operations();
        const RunResult refused = world_.once();
        EXPECT_EQ(refused.exit_code, 76);
        EXPECT_THAT(refused.err, HasSubstr("badRequest: the challengePassword " + why));
        EXPECT_EQ(operations(), before + 1);
        EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("HELD(rejected)"));
        for (int run = 0; run < 2; ++run) {
            EXPECT_EQ(world_.once().exit_code, 76);
            EXPECT_EQ(operations(), before + 1) << "what was refused is not sent again";
        }
    }

    void expect_enrolled(const ChildOptions& options = {}) {
        const RunResult result = world_.once(options);
        EXPECT_EQ(result.exit_code, 0) << result.err;
        EXPECT_TRUE(std::filesystem::exists(world_.live() / "cert.pem"));
    }

    EnrollmentWorld world_;
};

TEST_F(Challenge, SEC_1_C24_a_command_gives_a_fresh_one_for_each_request) {
    world_.start_lab_ca({"--one-time-challenges", "3600"});
    world_.configure({.challenge = command("exec curl -sS --fail " + lab_url())});
    expect_enrolled();
    world_.configure({.challenge = command("exec curl -sS --fail " + lab_url()), .key = "rsa:3072"});
    expect_enrolled();
    EXPECT_EQ(operations(), 2);
}

TEST_F(Challenge, C24_FI_2_Q_NDES_6_one_that_has_expired_is_refused_once_and_waits_for_another) {
    ClockFile clock(world_.directory() / "ca.clock", std::chrono::floor<Seconds>(std::chrono::system_clock::now()), 1);
    world_.start_lab_ca({"--one-time-challenges", "3600", "--clock-file", clock.path().string(), "--backdate", "172800",
                         "--signing-time-window", "172800"});
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, fresh(), 0600);
    clock.advance(std::chrono::hours(2));
    world_.configure({.challenge = "file:" + path.string()});
    expect_held("has expired");
    write_file(path, fresh(), 0600);
    expect_enrolled();
}

TEST_F(Challenge, C24_FI_2_one_that_was_used_is_refused_once_and_waits_for_another) {
    world_.start_lab_ca({"--one-time-challenges", "3600"});
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, fresh(), 0600);
    world_.configure({.challenge = "file:" + path.string()});
    expect_enrolled();
    // Another name is another enrollment, which needs a challenge again.
    world_.configure({.challenge = "file:" + path.string(), .identity_extra = "san = [\"dns:web02.example.com\"]\n"});
    expect_held("was used before");
    write_file(path, fresh(), 0600);
    expect_enrolled();
}

// A command has no identity that would tell a new answer from the old one: it is asked again by an operator's word, or
// after a day.
TEST_F(Challenge, C24_FI_2_a_command_whose_answer_was_refused_is_asked_again_by_an_operators_word) {
    world_.start_lab_ca({"--one-time-challenges", "3600"});
    world_.configure({.challenge = command("echo not-given-out")});
    expect_held("is wrong");
    world_.configure({.challenge = command("exec curl -sS --fail " + lab_url())});
    EXPECT_EQ(world_.once().exit_code, 76) << "the configuration is as it was";
    EXPECT_EQ(world_.hwenroll({"resume", "web"}).exit_code, 0);
    expect_enrolled();
    EXPECT_EQ(operations(), 2);
}

TEST_F(Challenge, CSR_2_Q_NDES_7_one_that_cannot_be_printable_is_never_sent_as_something_else) {
    world_.start_lab_ca();
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, "canary_under_score", 0600);
    world_.configure({.challenge = "file:" + path.string(), .ca_extra = "challenge_encoding = \"printable\"\n"});
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.err, HasSubstr("E-CHALLENGE-SOURCE web: the challenge password is no PrintableString"));
    EXPECT_THAT(result.err, Not(HasSubstr("canary")));
    EXPECT_EQ(operations(), 0);
    write_file(path, canary_challenge, 0600);
    expect_enrolled();
}

/// SEC-2, SEC-3: whatever it is read from, nothing that is written holds it outside an envelope.
class EachSource : public Challenge, public testing::WithParamInterface<const char*> {};

TEST_P(EachSource,
       SEC_2_SEC_3_the_challenge_is_in_no_file_of_the_state_nor_among_what_is_published_nor_in_a_temporary_one) {
    world_.start_lab_ca();
    const auto temporary = world_.directory() / "tmp";
    const auto credentials = world_.directory() / "credentials";
    std::filesystem::create_directory(temporary);
    std::filesystem::create_directory(credentials);
    const std::string file = (world_.directory() / "corp.challenge").string();
    std::filesystem::copy_file(file, credentials / "corp.challenge");
    const std::string kind = GetParam();
    world_.configure({.challenge = kind == "file"   ? "file:" + file
                                   : kind == "exec" ? command("exec cat " + file)
                                                    : "credential:corp.challenge"});
    expect_enrolled({{"TMPDIR=" + temporary.string(), "CREDENTIALS_DIRECTORY=" + credentials.string()}, {}, {}});
    EXPECT_TRUE(std::filesystem::is_empty(temporary));
    const RunResult history = world_.hwenroll({"history", "web"});
    world_.expect_no_canary({history.out, world_.hwenroll({"status", "web"}).out});
    // SEC-5
    EXPECT_THAT(history.out, HasSubstr("; by SHA-256, AES-128-CBC, RSAES-PKCS1-v1_5"));
    EXPECT_THAT(history.out, HasSubstr("; the reply by SHA-256, AES-128-CBC, RSAES-PKCS1-v1_5"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachSource, testing::Values("file", "exec", "credential"),
                         [](const auto& test) { return std::string(test.param); });

// CSR-6, Q-STEP-3: what signs a renewal vouches for it, unless the CA wants a challenge all the same; then it is a
// fresh one.
TEST(RenewalChallenge, CSR_6_SEC_3_Q_STEP_3_is_read_and_sent_only_where_the_configuration_says_so) {
    constexpr long days = 86400;
    DaemonWorld world({"--lifetime", std::to_string(120 * days), "--backdate", "0", "--renewal", "both",
                       "--one-time-challenges", "3600"});
    const auto asked = world.directory() / "asked";
    const auto script = world.directory() / "challenge.sh";
    write_file(script,
               fmt::format("#!/bin/sh\necho once >> {}\nexec curl -sS --fail http://127.0.0.1:{}/lab/challenge\n",
                           asked.string(), world.port()),
               0700);
    const auto times_asked = [&] {
        const std::string text = read_file(asked);
        return std::count(text.begin(), text.end(), '\n');
    };
    ConfigurationChanges changes{.challenge = "exec:" + script.string()};
    world.configure(changes);
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(times_asked(), 1);
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_EQ(times_asked(), 1) << "omitted by default";
    changes.ca_extra = "renewal_challenge = \"send\"\n";
    world.configure(changes);
    world.reload();
    world.go_to_day(182);
    world.eventually("the renewal", [&] { return world.generation() == "gen-003"; });
    EXPECT_EQ(times_asked(), 2);
    EXPECT_THAT(world.messages(), testing::ElementsAre("19", "17", "17"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// What a [ca.*] section says of the requests that its CA gets.
class RequestForms : public Challenge {
 protected:
    void enroll(const std::string& ca_extra) {
        world_.start_lab_ca();
        world_.configure({.ca_extra = ca_extra});
        expect_enrolled();
    }

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
};

TEST_F(RequestForms, MSG_5_the_transactionID_is_the_hash_of_the_key) {
    enroll("txid = \"spki-sha256\"\n");
    const auto spki = world_.directory() / "spki.der";
    ASSERT_EQ(run({"sh", "-c",
                   fmt::format("openssl x509 -in {} -noout -pubkey | openssl pkey -pubin -outform DER -out {}",
                               (world_.live() / "cert.pem").string(), spki.string())})
                  .exit_code,
              0);
    const std::string der = read_file(spki);
    EXPECT_EQ(last_operation()["transactionID"], to_hex(sha256(as_bytes(std::string_view(der)))));
}

TEST_F(RequestForms, MSG_5_the_transactionID_is_the_operators) {
    enroll("txid = \"fixed:edge-7\"\n");
    EXPECT_EQ(last_operation()["transactionID"], "edge-7");
}

TEST_F(RequestForms, ALG_4_ALG_8_SEC_5_stronger_algorithms_by_the_operators_word) {
    enroll("cipher = \"aes256\"\ndigest = \"sha512\"\n");
    EXPECT_EQ(last_operation()["answer"]["pkiStatus"], 0);
    EXPECT_THAT(world_.hwenroll({"history", "web"}).out, HasSubstr("; by SHA-512, AES-256-CBC, RSAES-PKCS1-v1_5"));
    world_.expect_published();
}

// HTTP-6: only where it is configured, and with the operations that have no message.
TEST_F(RequestForms, HTTP_6_an_identifier_goes_with_GetCACaps_and_GetCACert_alone) {
    const auto named = [&] {
        std::vector<std::string> operations;
        for (const std::string& line : world_.requests()) {
            const json record = json::parse(line);
            for (const json& finding : record["findings"]) {
                if (finding["id"] == "HTTP-6") {
                    operations.push_back(record["operation"]);
                }
            }
        }
        return operations;
    };
    enroll("identifier = \"corp ca\"\n");
    EXPECT_THAT(named(), testing::ElementsAre("GetCACaps", "GetCACert"));
    EXPECT_EQ(operations(), 1);
}

TEST_F(RequestForms, HTTP_6_without_one_no_message_goes_with_them) {
    enroll("");
    for (const std::string& line : world_.requests()) {
        EXPECT_THAT(line, Not(HasSubstr("HTTP-6")));
    }
}

}  // namespace
}  // namespace hwenroll::test
