// Each failure of a first enrollment: its exit code, one line, nothing published, no secret in sight.
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/failure_world.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

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
