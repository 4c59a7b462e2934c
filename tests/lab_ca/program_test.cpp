// The program scep-lab-ca: its options, its files, and a foreign client (SRV-21).
#include <csignal>

#include <gmock/gmock.h>

#include "base/pem.h"
#include "tests/lab_ca/test_server.h"
#include "tests/support/child_process.h"
#include "tests/support/clock_file.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::ChildOptions;
using hwenroll::test::ChildProcess;
using hwenroll::test::read_file;
using hwenroll::test::run;
using hwenroll::test::RunResult;
using hwenroll::test::TemporaryDirectory;
using hwenroll::test::write_file;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::string program = hwenroll::test::program("scep-lab-ca");

class ProgramTest : public testing::Test {
 protected:
    /// Starts the program on `directory_`/ca and waits for its URL.
    std::unique_ptr<ChildProcess> start(std::vector<std::string> options) {
        std::vector<std::string> arguments{program,
                                           "--dir",
                                           (directory_ / "ca").string(),
                                           "--listen",
                                           "127.0.0.1:0",
                                           "--ready-file",
                                           (directory_ / "url").string(),
                                           "--challenge-file",
                                           (directory_ / "challenge").string()};
        arguments.insert(arguments.end(), options.begin(), options.end());
        write_file(directory_ / "challenge", "lab-secret\n", 0600);
        auto child = std::make_unique<ChildProcess>(std::move(arguments));
        while (!std::filesystem::exists(directory_ / "url")) {
            if (child->wait(10ms)) {
                ADD_FAILURE() << child->err();
                break;
            }
        }
        url_ = read_file(directory_ / "url");
        url_.pop_back();
        return child;
    }

    RunResult scepclient(const std::string& challenge) {
        ChildOptions options;
        options.directory = directory_.path();
        return run({"scepclient", "-private-key", "client.key", "-server-url=" + url_, "-challenge=" + challenge, "-cn",
                    "web01"},
                   options);
    }

    /// The body of the reply to a GET of `path_and_query`.
    std::string get_path(const std::string& path_and_query) {
        const std::string host = url_.substr(7, url_.find('/', 7) - 7);
        const auto port = static_cast<std::uint16_t>(std::stoi(host.substr(host.find(':') + 1)));
        const std::string reply = test::exchange(port, "GET " + path_and_query + " HTTP/1.1\r\nHost: ca\r\n\r\n");
        return reply.substr(reply.find("\r\n\r\n") + 4);
    }

    std::string get(const std::string& query) { return get_path("/scep?" + query); }

    TemporaryDirectory directory_;
    std::string url_;
};

TEST_F(ProgramTest, announces_itself_and_stops_cleanly) {
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto child = start({});
        EXPECT_EQ(child->out(), "listening on " + url_.substr(7, url_.size() - 12) + " " + url_ + "\n");
        child->kill(signal);
        const auto end = child->wait(10s);
        ASSERT_TRUE(end);
        EXPECT_EQ(end->exit_code, 0);
        EXPECT_EQ(child->err(), "");
        std::filesystem::remove(directory_ / "url");
    }
}

TEST_F(ProgramTest, SRV_21_scepclient_enrolls_with_its_weak_algorithms_by_option) {
    const auto child = start({"--allow-weak-requests", "--leaf-only"});
    const RunResult result = scepclient("lab-secret");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto issued = certificates_from_pem(read_file(directory_ / "client.pem")).value();
    const auto authority = certificates_from_pem(read_file(directory_ / "ca" / "ca.pem")).value();
    ASSERT_EQ(issued.size(), 1U);
    EXPECT_EQ(X509_verify(issued[0].get(), authority[0].public_key().get()), 1);
    EXPECT_FALSE(issued[0].is_ca());
    EXPECT_THAT(test::last_finding_ids(directory_ / "ca"), testing::IsSupersetOf({"ALG-1", "ALG-4", "HTTP-8"}));
}

TEST_F(ProgramTest, SRV_16_scepclient_is_refused_without_the_option) {
    const auto child = start({});
    const RunResult result = scepclient("lab-secret");
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.out + result.err, HasSubstr("badAlg"));
}

TEST_F(ProgramTest, SRV_21_scepclient_with_a_wrong_challenge_gets_badRequest) {
    const auto child = start({"--allow-weak-requests"});
    const RunResult result = scepclient("wrong-secret");
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.out + result.err, HasSubstr("badRequest"));
    const std::string log = read_file(directory_ / "ca" / "lint.jsonl") + child->out() + child->err();
    EXPECT_THAT(log, Not(HasSubstr("wrong-secret")));
    EXPECT_THAT(log, Not(HasSubstr("lab-secret")));
}

TEST_F(ProgramTest, wrong_command_lines_are_refused) {
    const auto refused = [&](std::vector<std::string> options) {
        options.insert(options.begin(), program);
        return run(std::move(options)).exit_code;
    };
    const std::string directory = directory_.path().string();
    EXPECT_EQ(refused({}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--unknown"}), 64);
    EXPECT_EQ(refused({"--dir", directory}), 78);  // no challenge
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--listen", "localhost"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--listen", "127.0.0.1:70000"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--refuse", "badMood:no"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--pending", "-1"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--signers", "some"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge-file", directory + "/none"}), 66);
    EXPECT_EQ(refused({"--dir", "/proc/none", "--challenge", "x"}), 66);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--clock-file", directory + "/none"}), 66);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--fault", "PKCSReq:1:explode"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--renewal", "18"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--next-ca-form", "round"}), 64);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--manufacturer-ca", directory + "/none"}), 66);
    EXPECT_EQ(refused({"--dir", directory, "--challenge", "x", "--ca-lifetime", "60", "--auto-rollover", "60"}), 78);
    EXPECT_EQ(refused({"--help"}), 0);
}

TEST_F(ProgramTest, SRV_19_lives_on_a_shared_clock) {
    const TimePoint start_time = std::chrono::sys_days(std::chrono::year(2041) / 6 / 1);
    hwenroll::test::ClockFile clock(directory_ / "clock", start_time);
    const auto child = start({"--clock-file", clock.path().string()});
    const auto authority = certificates_from_pem(read_file(directory_ / "ca" / "ca.pem")).value();
    EXPECT_LE(authority.at(0).not_before(), start_time);
    EXPECT_GT(authority.at(0).not_before(), start_time - 1h);
    clock.advance(48h);
    (void)get("operation=GetCACert");
    EXPECT_THAT(read_file(directory_ / "ca" / "lint.jsonl"), HasSubstr("\"time\":\"2041-06-03T00:00:00Z\""));
}

TEST_F(ProgramTest, SRV_10_rolls_over_on_a_shared_clock_and_goes_on_after_a_restart) {
    const TimePoint start_time = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
    hwenroll::test::ClockFile clock(directory_ / "clock", start_time);
    const std::vector<std::string> options{"--clock-file",    clock.path().string(),
                                           "--ca-lifetime",   "86400",
                                           "--auto-rollover", "7200",
                                           "--backdate",      "0",
                                           "--renewal",       "both"};
    auto child = start(options);
    const auto certificate = [&] { return Certificate::from_der(as_bytes(get("operation=GetCACert"))).value(); };
    const Certificate first = certificate();
    EXPECT_EQ(first.not_before(), start_time);
    EXPECT_EQ(first.not_after(), start_time + 24h);
    EXPECT_THAT(get("operation=GetCACaps"), HasSubstr("Renewal\nGetNextCACert\n"));
    clock.advance(22h);
    const std::string next = get("operation=GetNextCACert");
    child.reset();
    std::filesystem::remove(directory_ / "url");
    clock.advance(2h);
    child = start(options);
    const Certificate second = certificate();
    EXPECT_NE(second, first);
    EXPECT_EQ(second.not_after(), start_time + 48h);
    EXPECT_THAT(next, HasSubstr(std::string(as_text(second.der()))));
}

TEST_F(ProgramTest, SRV_6_SRV_13_faults_and_approval_by_option) {
    const auto child = start({"--allow-weak-requests", "--leaf-only", "--pending-until-approved", "--fault",
                              "GetCACert:2:status-503", "--fault", "GetCACert:3:drop"});
    EXPECT_EQ(get_path("/lab/issued"), "[]\n");
    EXPECT_FALSE(get("operation=GetCACert").empty());
    EXPECT_EQ(get("operation=GetCACert"), "a fault by rule\n");
    EXPECT_THAT(read_file(directory_ / "ca" / "lint.jsonl"), HasSubstr("GetCACert:2:status-503"));
    EXPECT_EQ(get_path("/lab/pending"), "[]\n");
}

TEST_F(ProgramTest, SRV_5_capabilities_by_option) {
    const auto body = [&] { return get("operation=GetCACaps"); };
    {
        const auto child = start({"--no-post"});
        EXPECT_EQ(body(), "AES\nSHA-256\n");
    }
    std::filesystem::remove(directory_ / "url");
    const auto child = start({"--caps", "SHA-512, AES,Renewal"});
    EXPECT_EQ(body(), "SHA-512\nAES\nRenewal\n");
}

}  // namespace
}  // namespace hwenroll::lab_ca
