// Each failure of a first enrollment: its exit code, one line, nothing published, no secret in sight.
#include <atomic>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/store/store.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class Failure : public testing::Test {
 protected:
    /// Runs once and expects one line `E-… subject: what…; next` and no trace of success.
    void expect_failure(int exit_code, const std::string& code, const ChildOptions& options = {}) {
        const RunResult result = world_.once(options);
        EXPECT_EQ(result.exit_code, exit_code) << result.err;
        EXPECT_THAT(result.err, MatchesRegex("E-[A-Z-]+ [^\n]*: [^\n]+; [^\n]+\n"))
            << "one line: what, on what, why, what next";
        EXPECT_THAT(result.err, HasSubstr(code + " "));
        EXPECT_EQ(result.out, "");
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
        world_.expect_no_canary({result.out, result.err});
        error_ = result.err;
    }

    /// Calls of one function in the shim's log.
    [[nodiscard]] int calls(const std::string& function) const {
        const std::string log = std::filesystem::exists(shim_log()) ? read_file(shim_log()) : "";
        int count = 0;
        for (std::size_t at = log.find(function + "\n"); at != std::string::npos;
             at = log.find(function + "\n", at + 1)) {
            ++count;
        }
        return count;
    }

    [[nodiscard]] std::filesystem::path shim_log() const { return world_.directory() / "shim.log"; }

    [[nodiscard]] ChildOptions shim(const std::string& rule) const {
        ChildOptions options;
        options.environment = {"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + shim_log().string()};
        if (!rule.empty()) {
            options.environment.push_back("HWENROLL_SHIM_RULE=" + rule);
        }
        return options;
    }

    /// Gives the [token.*] section another name; everything in it stays.
    void rename_token(const std::string& from, const std::string& to) const {
        std::string text = read_file(world_.config());
        for (const auto& [old_text, new_text] :
             {std::pair("[token." + from + "]", "[token." + to + "]"), std::pair('"' + from + '"', '"' + to + '"')}) {
            for (auto at = text.find(old_text); at != std::string::npos; at = text.find(old_text, at + 1)) {
                text.replace(at, old_text.size(), new_text);
            }
        }
        write_file(world_.config(), text, 0644);
    }

    static std::string shim_module() { return module("libhwenroll-pkcs11-shim.so"); }

    [[nodiscard]] int requests_of(const std::string& operation) const {
        int count = 0;
        for (const std::string& request : world_.requests()) {
            count += request.find(operation) != std::string::npos ? 1 : 0;
        }
        return count;
    }

    [[nodiscard]] int operations() const { return requests_of("PKIOperation"); }

    static std::string proxied(const TamperingProxy& proxy) {
        return "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep";
    }

    static std::string fingerprint_in(const std::filesystem::path& config) {
        const std::string text = read_file(config);
        const std::size_t from = text.find("fingerprint = ") + std::string("fingerprint = ").size();
        return text.substr(from, text.find('\n', from) - from);
    }

    /// Makes the one fingerprint of the configuration a list.
    void pin_as_well(const std::string& quoted) const {
        std::string text = read_file(world_.config());
        const std::string now = fingerprint_in(world_.config());
        text.replace(text.find(now), now.size(), fmt::format("[{}, {}]", now, quoted));
        write_file(world_.config(), text);
    }

    /// When the identity is tried again, as it is stored.
    [[nodiscard]] std::chrono::system_clock::time_point next_try() const {
        auto opened = store::Store::open_read_only(world_.directory() / "state");
        EXPECT_TRUE(opened);
        const auto state = opened->identity("web");
        EXPECT_TRUE(state);
        return state->wait.until;
    }

    /// What counts against invariant 5, as it is stored.
    [[nodiscard]] std::uint32_t messages() const {
        auto opened = store::Store::open_read_only(world_.directory() / "state");
        EXPECT_TRUE(opened);
        return opened->identity("web")->counters.messages;
    }

    EnrollmentWorld world_;
    std::string error_;
};

TEST_F(Failure, BAD_25_SEC_3_wrong_fingerprint) {
    world_.start_lab_ca();
    world_.configure({.fingerprint = "SHA256:" + std::string(64, 'A')});
    expect_failure(76, "E-CA-FINGERPRINT");
    EXPECT_EQ(operations(), 0) << "the challenge is not used (CACERT-5)";
}

TEST_F(Failure, FI_2_CSR_8_wrong_challenge_and_a_new_one_is_tried_at_once) {
    world_.start_lab_ca();
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, "not-the-right-one", 0600);
    world_.configure({.challenge = "file:" + path.string()});
    expect_failure(76, "E-CA-REJECTED");
    EXPECT_THAT(error_, HasSubstr("badRequest"));
    EXPECT_EQ(operations(), 1);
    EXPECT_EQ(world_.once().exit_code, 76) << "still held";
    EXPECT_EQ(operations(), 1) << "no loop with a refused challenge";
    write_file(path, canary_challenge, 0600);
    EXPECT_EQ(world_.once().exit_code, 0);
    std::filesystem::remove(path);
    world_.expect_published();
}

TEST_F(Failure, C24_a_challenge_that_cannot_be_read) {
    world_.start_lab_ca();
    world_.configure({.challenge = "file:" + (world_.directory() / "nowhere").string()});
    expect_failure(78, "E-CHALLENGE-SOURCE");
    EXPECT_EQ(operations(), 0);
}

TEST_F(Failure, T9_wrong_pin_is_tried_once_over_two_runs) {
    world_.start_lab_ca();
    write_file(world_.directory() / "wrong.pin", "0000", 0600);
    world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / "wrong.pin").string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("CKR_PIN_INCORRECT"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("until the PIN source changes"));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(world_.directory() / "wrong.pin", canary_pin, 0600);
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

// Invariant 6: neither a renamed section nor a restart gives a refused PIN another try on the same device.
TEST_F(Failure, T9_a_refused_command_stays_refused_under_another_name_until_resume) {
    world_.start_lab_ca();
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\necho 0000\n", 0700);
    world_.configure({.module = shim_module(), .pin = "exec:" + command.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    rename_token("lab", "renamed");
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("hwenroll resume"));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(command, "#!/bin/sh\ncat " + world_.pin_path().string() + "\n", 0700);
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 1);
    const RunResult resumed = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("the PIN of token 'renamed' may be tried once more"));
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T9_another_pin_source_is_tried_at_once) {
    world_.start_lab_ca();
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\necho 0000\n", 0700);
    world_.configure({.module = shim_module(), .pin = "exec:" + command.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    world_.configure({.module = shim_module()});
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T15_a_login_that_fails_unclearly_is_repeated_once_and_then_waits_for_a_person) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x80000001"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 2);
}

// Invariant 6: what another source did in between gives a refused PIN no other try.
TEST_F(Failure, T9_invariant_6_a_refused_file_stays_refused_while_another_one_is_tried) {
    world_.start_lab_ca();
    const auto configure_pin = [this](const std::string& name) {
        world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / name).string()});
    };
    write_file(world_.directory() / "a.pin", "0000", 0600);
    write_file(world_.directory() / "b.pin", "1111", 0600);
    for (const auto& [name, logins] : {std::pair("a.pin", 1), std::pair("b.pin", 2), std::pair("a.pin", 2)}) {
        configure_pin(name);
        expect_failure(77, "E-TOKEN-PIN", shim(""));
        EXPECT_EQ(calls("C_Login"), logins) << name;
    }
    write_file(world_.directory() / "a.pin", canary_pin, 0600);
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    std::filesystem::remove(world_.directory() / "a.pin");
    EXPECT_EQ(calls("C_Login"), 3);
}

// Invariant 6: a clock that was set back, as at a boot without one, does not make a lost login an answered one.
TEST_F(Failure, T15_lost_logins_are_counted_whatever_the_clock_says) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    const auto lose_a_login = [this] { expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30")); };
    lose_a_login();
    {
        auto opened = store::Store::open(world_.directory() / "state", {});
        ASSERT_TRUE(opened) << opened.error().line();
        const auto records = opened->logins_of_section("lab");
        ASSERT_TRUE(records);
        ASSERT_EQ(records->size(), 1U);
        store::LoginRecord accepted = records->front();
        accepted.outcome = store::LoginRecordOutcome::accepted;
        accepted.unknown = 0;
        accepted.begun_at += Seconds(10L * 365 * 86400);
        ASSERT_TRUE(opened->commit("other", accepted, {}, accepted.begun_at));
    }
    lose_a_login();
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 2);
}

// Design, "Keys stay on the device": a `file:` PIN is tried again only when the file has changed.
TEST_F(Failure, T9_resume_does_not_free_an_unchanged_file) {
    world_.start_lab_ca();
    const auto path = world_.directory() / "wrong.pin";
    write_file(path, "0000", 0600);
    world_.configure({.module = shim_module(), .pin = "file:" + path.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    const RunResult resumed = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.out, AllOf(HasSubstr("token 'lab'"), HasSubstr("file:" + path.string()),
                                   HasSubstr("only after that file changes"), Not(HasSubstr("may be tried")),
                                   Not(HasSubstr("released"))));
    EXPECT_THAT(world_.hwenroll({"resume", "web", "--json"}).out, ContainsRegex("\"pin_file_must_change\": ?true"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(path, canary_pin, 0600);
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, Not(HasSubstr("only after that file changes")));
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    std::filesystem::remove(path);
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T15_resume_frees_a_file_whose_logins_were_lost) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, HasSubstr("may be tried once more"));
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    EXPECT_EQ(calls("C_Login"), 3);
}

TEST_F(Failure, T2_T3_what_fails_before_C_Login_is_no_login) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    for (int run = 0; run < 3; ++run) {
        expect_failure(69, "E-TOKEN-WORKER", shim("C_Initialize:1:crash"));
    }
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\nsleep 1000\n", 0700);
    world_.configure(
        {.module = shim_module(), .pin = "exec:" + command.string(), .token_extra = "deadline_login = \"1s\""});
    for (int run = 0; run < 3; ++run) {
        expect_failure(77, "E-TOKEN-PIN-SOURCE", shim(""));
    }
    EXPECT_EQ(calls("C_Login"), 0);
    world_.configure({.module = shim_module()});
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
}

TEST_F(Failure, N3_ca_unreachable_and_the_next_run_succeeds) {
    world_.start_lab_ca();
    world_.configure({.url = "http://127.0.0.1:9/scep"});
    expect_failure(69, "E-CA-UNREACHABLE");
    world_.configure();
    EXPECT_EQ(world_.once().exit_code, 0);
    world_.expect_published();
}

TEST_F(Failure, BAD_7_N11_html_for_a_reply) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string&) {
        return http_response("200 OK", "text/html", "<html><body>Please log in</body></html>");
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    expect_failure(76, "E-CA-NOT-SCEP");
    EXPECT_THAT(error_, HasSubstr("log in"));
}

TEST_F(Failure, BAD_41_a_reply_that_is_cut_with_an_honest_length) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string& response) {
        const std::string body = body_of(response);
        return http_response("200 OK", "application/x-pki-message", body.substr(0, body.size() / 2));
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    expect_failure(76, "E-CA-TRUNCATED");
}

TEST_F(Failure, BAD_3_a_reply_that_is_shorter_than_its_content_length) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string& response) {
        const std::string whole = http_response("200 OK", "application/x-pki-message", body_of(response));
        return whole.substr(0, whole.size() - 100);
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    expect_failure(76, "E-CA-TRUNCATED");
}

TEST_F(Failure, BAD_45_a_flipped_octet_in_the_signature) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string& response) {
        std::string body = body_of(response);
        body.back() = static_cast<char>(body.back() ^ 1);
        return http_response("200 OK", "application/x-pki-message", body);
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    expect_failure(76, "E-SCEP-SIGNATURE");
}

TEST_F(Failure, BAD_11_Q_EJBCA_2_Q_OXI_6_a_server_error_with_text) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string&) {
        return http_response("500 Internal Server Error", "text/plain", "out of order");
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    expect_failure(69, "E-CA-HTTP");
    EXPECT_THAT(error_, AllOf(HasSubstr("500"), HasSubstr("out of order")));
}

TEST_F(Failure, CAPS_7_HTTP_28_a_server_in_trouble_is_not_one_without_capabilities) {
    world_.start_lab_ca();
    std::atomic<bool> troubled = true;
    const TamperingProxy proxy(
        world_.port(),
        [&troubled](const std::string& response) {
            return troubled ? http_response("503 Service Unavailable", "text/plain", "back soon") : response;
        },
        "GetCACaps");
    world_.configure({.url = proxied(proxy)});
    expect_failure(69, "E-CA-HTTP");
    EXPECT_THAT(error_, AllOf(HasSubstr("GetCACaps"), HasSubstr("503"), HasSubstr(proxied(proxy))));
    EXPECT_EQ(operations(), 0);
    // Nothing of it is remembered: the next run asks again and sees what the CA really announces.
    troubled = false;
    const RunResult next = world_.once();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_THAT(world_.requests().back(), HasSubstr("\"method\":\"POST\""));
    world_.expect_published();
}

TEST_F(Failure, CAPS_7_a_set_without_a_usable_algorithm_is_not_kept) {
    world_.start_lab_ca();
    std::atomic<bool> weak = true;
    const TamperingProxy proxy(
        world_.port(),
        [&weak](const std::string& response) {
            return weak ? http_response("200 OK", "text/plain", "DES3") : response;
        },
        "GetCACaps");
    world_.configure({.url = proxied(proxy)});
    expect_failure(76, "E-CA-ALGORITHM");
    weak = false;
    const RunResult next = world_.once();
    EXPECT_EQ(next.exit_code, 0) << next.err;
}

TEST_F(Failure, CAPS_8_Q_NDES_1_a_connection_that_is_closed_on_GetCACaps_is_tried_twice) {
    world_.start_lab_ca();
    std::atomic<int> asked = 0;
    const TamperingProxy proxy(
        world_.port(), [&asked](const std::string& response) { return ++asked % 2 == 1 ? std::string() : response; },
        "GetCACaps");
    world_.configure({.url = proxied(proxy)});
    const RunResult shown = world_.hwenroll({"ca", "show", "corp"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr("SCEPStandard"));
    EXPECT_EQ(asked, 2);
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(asked, 4);
}

TEST_F(Failure, CAPS_7_ca_show_judges_a_server_in_trouble_as_the_agent_does) {
    world_.start_lab_ca();
    const TamperingProxy proxy(
        world_.port(), [](const std::string&) { return http_response("503 Busy", "text/plain", "AES"); }, "GetCACaps");
    const RunResult shown = run({program("hwenroll"), "ca", "show", proxied(proxy)});
    EXPECT_EQ(shown.exit_code, 69) << shown.out;
    EXPECT_THAT(shown.err, AllOf(HasSubstr("E-CA-HTTP "), HasSubstr("503")));
}

TEST_F(Failure, HTTP_26_a_wrong_path_is_the_configurations_fault) {
    world_.start_lab_ca();
    const TamperingProxy proxy(
        world_.port(), [](const std::string&) { return http_response("404 Not Found", "text/plain", "no page"); },
        "GetCAC");
    world_.configure({.url = proxied(proxy)});
    expect_failure(76, "E-CA-HTTP-REFUSED");
    EXPECT_THAT(error_, AllOf(HasSubstr("GetCACert"), HasSubstr("404"), HasSubstr(proxied(proxy)), HasSubstr("'url'")));
}

TEST_F(Failure, HTTP_13_a_get_url_that_the_server_does_not_take_is_named_with_its_length) {
    world_.start_lab_ca({"--no-post"});
    const TamperingProxy proxy(world_.port(),
                               [](const std::string&) { return http_response("404 Not Found", "text/plain", "?"); });
    world_.configure({.url = proxied(proxy)});
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 76);
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CA-HTTP-REFUSED"), HasSubstr("does not announce POST"),
                                  ContainsRegex("GET URL of [0-9]+ characters"), HasSubstr("(HTTP-12)")));
}

TEST_F(Failure, HTTP_13_a_post_that_is_not_found_has_no_long_url) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(),
                               [](const std::string&) { return http_response("404 Not Found", "text/plain", "?"); });
    world_.configure({.url = proxied(proxy)});
    expect_failure(76, "E-CA-HTTP-REFUSED");
    EXPECT_THAT(error_, AllOf(HasSubstr("PKIOperation by POST"), HasSubstr("404"), Not(HasSubstr("characters"))));
}

TEST_F(Failure, N12_HTTP_27_a_post_that_is_refused_is_an_error_and_no_get_follows) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string&) {
        return http_response("405 Method Not Allowed", "text/plain", "no POST here");
    });
    world_.configure({.url = proxied(proxy)});
    expect_failure(76, "E-CA-HTTP-REFUSED");
    EXPECT_THAT(error_, AllOf(HasSubstr("405"), HasSubstr("http = \"get\"")));
    EXPECT_EQ(operations(), 1);
    EXPECT_THAT(world_.requests().back(), HasSubstr("\"method\":\"POST\""));
}

TEST_F(Failure, HTTP_28_retry_after_is_waited_for) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string&) {
        return http_response("429 Too Many\r\nRetry-After: 7200", "text/plain", "slow down");
    });
    world_.configure({.url = proxied(proxy)});
    const auto began = std::chrono::system_clock::now();
    expect_failure(69, "E-CA-HTTP");
    const auto next = next_try();
    EXPECT_GE(next, began + std::chrono::seconds(7199));
    EXPECT_LE(next, std::chrono::system_clock::now() + std::chrono::seconds(7200));
}

TEST_F(Failure, HTTP_28_a_second_run_before_retry_after_makes_no_request_until_the_configuration_changes) {
    for (const char* operation : {"PKIOperation", "GetCACaps"}) {
        EnrollmentWorld world;
        world.start_lab_ca();
        std::atomic<int> answers = 0;
        const TamperingProxy proxy(
            world.port(),
            [&answers](const std::string&) {
                ++answers;
                return http_response("503 Service Unavailable\r\nRetry-After: 7200", "text/plain", "back later");
            },
            operation);
        world.configure({.url = proxied(proxy)});
        EXPECT_EQ(world.once().exit_code, 69);
        EXPECT_EQ(answers, 1) << operation;
        const std::size_t requests = world.requests().size();
        const RunResult again = world.once();
        EXPECT_EQ(again.exit_code, 69);
        EXPECT_THAT(again.err, AllOf(HasSubstr("E-CA-HTTP web: "), HasSubstr("no request before ")));
        EXPECT_EQ(answers, 1) << operation;
        EXPECT_EQ(world.requests().size(), requests) << operation;
        EXPECT_THAT(world.hwenroll({"status", "web"}).out, HasSubstr("waits as the CA asked"));
        world.configure();
        const RunResult changed = world.once();
        EXPECT_EQ(changed.exit_code, 0) << changed.err;
        world.expect_published();
    }
}

TEST_F(Failure, HTTP_28_an_operator_ends_the_wait_that_the_ca_asked_for) {
    world_.start_lab_ca();
    std::atomic<bool> troubled = true;
    const TamperingProxy proxy(world_.port(), [&troubled](const std::string& response) {
        return troubled ? http_response("503 Unavailable\r\nRetry-After: 7200", "text/plain", "later") : response;
    });
    world_.configure({.url = proxied(proxy)});
    expect_failure(69, "E-CA-HTTP");
    troubled = false;
    EXPECT_EQ(world_.once().exit_code, 69);
    EXPECT_EQ(operations(), 1);
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, HasSubstr("released"));
    const RunResult resumed = world_.once();
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_EQ(operations(), 2);
}

TEST_F(Failure, HTTP_21_a_reply_that_verified_is_not_explained_by_its_status) {
    world_.start_lab_ca({"--issue-usage", "ignore"});
    const TamperingProxy proxy(world_.port(), [](const std::string& response) {
        return http_response("500 Internal Server Error", "text/plain", body_of(response));
    });
    world_.configure({.url = proxied(proxy)});
    // The certificate lacks the names that were asked for.
    expect_failure(76, "E-SCEP-CERTIFICATE");
}

TEST_F(Failure, FI_1_badMessageCheck_asks_the_ca_again_once_and_holds_if_it_is_as_it_was) {
    world_.start_lab_ca();
    const TamperingProxy proxy(
        world_.port(), [](const std::string& response) { return response; }, "PKIOperation",
        [](const std::string& request) {
            std::string damaged = request;
            damaged.back() = static_cast<char>(damaged.back() ^ 1);
            return damaged;
        });
    world_.configure({.url = proxied(proxy)});
    expect_failure(76, "E-CA-REJECTED");
    EXPECT_THAT(error_, HasSubstr("badMessageCheck"));
    EXPECT_EQ(requests_of("GetCACert"), 2);
    EXPECT_EQ(operations(), 1);
}

TEST_F(Failure, FI_2_invariant_9_a_refusal_survives_a_kill_before_the_ca_is_asked_again) {
    world_.start_lab_ca({"--refuse", "badMessageCheck"});
    world_.configure();
    ASSERT_EQ(world_.once({{"HWENROLL_FAILPOINT=refusal-committed"}, {}, {}}).signal, SIGKILL);
    EXPECT_EQ(messages(), 1U) << "invariant 5";
    EXPECT_EQ(requests_of("GetCACert"), 1);
    expect_failure(76, "E-CA-REJECTED");
    EXPECT_EQ(operations(), 1) << "FI-2: the refused request is not sent again";
    EXPECT_EQ(requests_of("GetCACert"), 2) << "FI-1";
    EXPECT_EQ(messages(), 1U);
    EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("HELD(rejected)"));
}

TEST_F(Failure, FI_1_a_ca_that_cannot_be_asked_again_after_a_refusal_is_asked_by_the_next_run) {
    world_.start_lab_ca({"--refuse", "badMessageCheck"});
    std::atomic<int> asked = 0;
    const TamperingProxy proxy(
        world_.port(),
        [&asked](const std::string& response) {
            return ++asked == 2 ? http_response("500 Internal Server Error", "text/plain", "oops") : response;
        },
        "GetCACert");
    world_.configure({.url = proxied(proxy)});
    expect_failure(69, "E-CA-HTTP");
    EXPECT_THAT(world_.hwenroll({"status", "web"}).out,
                AllOf(HasSubstr("RETRYING"), HasSubstr("last error E-CA-REJECTED")));
    expect_failure(76, "E-CA-REJECTED");
    EXPECT_EQ(asked, 3);
    EXPECT_EQ(operations(), 1);
    EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("HELD(rejected)"));
}

TEST_F(Failure, CACERT_11_a_reply_by_an_unknown_signer_makes_the_next_send_ask_for_the_certificates) {
    world_.start_lab_ca();
    const auto challenge = world_.directory() / "late.challenge";
    world_.configure({.challenge = "file:" + challenge.string()});
    expect_failure(78, "E-CHALLENGE-SOURCE");
    const std::string first = fingerprint_in(world_.config());
    // Another CA takes the place of the one that is trusted by now; the operator pins both.
    world_.stop_ca();
    std::filesystem::rename(world_.directory() / "ca", world_.directory() / "old-ca");
    std::filesystem::remove(world_.directory() / "ca.url");
    world_.start_lab_ca();
    world_.configure();
    pin_as_well(first);
    expect_failure(76, "E-SCEP-SIGNER");
    EXPECT_EQ(requests_of("GetCACert"), 0);
    const RunResult next = world_.once();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_EQ(requests_of("GetCACert"), 1);
    EXPECT_EQ(operations(), 2);
    world_.expect_published();
}

TEST_F(Failure, HTTP_21_a_good_reply_under_a_bad_status_is_used) {
    world_.start_lab_ca();
    const TamperingProxy proxy(world_.port(), [](const std::string& response) {
        return http_response("500 Internal Server Error", "text/plain", body_of(response));
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    world_.expect_published();
}

TEST_F(Failure, F2_unknown_configuration_key) {
    world_.start_lab_ca();
    world_.configure({.identity_extra = "subjct = \"CN=x\"\n"});
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CONFIG-KEY"), HasSubstr("subjct"), HasSubstr("subject"),
                                  HasSubstr("hwenroll.toml:")));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    EXPECT_TRUE(world_.requests().empty()) << "a disabled identity asks nobody";
}

TEST_F(Failure, a_pin_file_that_others_may_read) {
    world_.start_lab_ca();
    write_file(world_.directory() / "open.pin", "1234", 0644);
    world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / "open.pin").string()});
    expect_failure(77, "E-TOKEN-PIN-SOURCE", shim(""));
    EXPECT_EQ(calls("C_Login"), 0);
}

TEST_F(Failure, a_pin_file_that_is_not_there) {
    world_.start_lab_ca();
    world_.configure({.pin = "file:" + (world_.directory() / "nowhere.pin").string()});
    expect_failure(77, "E-TOKEN-PIN-SOURCE");
}

TEST_F(Failure, T1_missing_module) {
    world_.start_lab_ca();
    world_.configure({.module = "/usr/lib/nowhere/libnothing.so"});
    expect_failure(69, "E-TOKEN-MODULE");
    EXPECT_THAT(error_, HasSubstr("/usr/lib/nowhere/libnothing.so"));
}

TEST_F(Failure, T2_a_module_that_crashes_in_C_Sign) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Sign:1:crash"));
    EXPECT_THAT(error_, HasSubstr("SIGSEGV"));
    EXPECT_EQ(operations(), 0);
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
}

TEST_F(Failure, T3_a_module_that_hangs_in_C_Sign) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module(), .token_extra = "deadline_use = \"500ms\""});
    expect_failure(69, "E-TOKEN-DEADLINE", shim("C_Sign:1:hang"));
    EXPECT_EQ(operations(), 0);
    world_.configure({.module = shim_module()});
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
}

TEST_F(Failure, T2_a_module_that_crashes_while_opening_the_reply_keeps_the_transaction) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    // The first C_Decrypt is the self-test, the second opens the reply.
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Decrypt:2:crash"));
    EXPECT_EQ(operations(), 1);
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
    const auto requests = world_.requests();
    const auto id_of = [](const std::string& line) {
        const std::size_t at = line.find("\"transactionID\":\"");
        return line.substr(at, line.find('"', at + 17) - at);
    };
    ASSERT_EQ(operations(), 2);
    EXPECT_EQ(id_of(requests[requests.size() - 1]), id_of(requests[2])) << "invariant 4";
}

TEST_F(Failure, T2_a_crash_in_C_Login_is_repeated_once_and_then_waits_for_a_person) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Login:1:crash"));
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Login:1:crash"));
    expect_failure(77, "E-TOKEN-PIN", shim("C_Login:1:crash"));
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T16_a_full_token_is_named) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    const RunResult result = world_.once(shim("C_GenerateKeyPair:1:rv=0x31"));
    EXPECT_EQ(result.exit_code, 69) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-TOKEN-FULL"), HasSubstr("CKR_DEVICE_MEMORY")));
}

TEST_F(Failure, a_second_instance_is_kept_out_with_75) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module(), .token_extra = "deadline_use = \"3s\""});
    const auto hang = shim("C_Sign:1:hang");
    ChildProcess first({program("hwenrolld"), "--once", "--config", world_.config().string()}, hang);
    for (int i = 0; i < 2000 && calls("C_Sign") == 0; ++i) {
        ASSERT_FALSE(first.wait(std::chrono::milliseconds(10)));
    }
    expect_failure(75, "E-STATE-LOCKED");
    const RunResult resume = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(resume.exit_code, 75);
    EXPECT_THAT(resume.err, HasSubstr("E-STATE-LOCKED"));
    first.kill(SIGTERM);
    const auto ended = first.wait(std::chrono::seconds(30));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->exit_code, 75);
    EXPECT_THAT(first.err(), HasSubstr("E-INTERRUPTED"));
}

}  // namespace
}  // namespace hwenroll::test
