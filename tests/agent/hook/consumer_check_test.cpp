// Whether a consumer uses what was published.
#include "agent/runtime/consumer_check.h"

#include <gmock/gmock.h>

#include "base/pem.h"
#include "tests/agent/hook/loop_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/scripted_server.h"

namespace hwenroll::test {
namespace {

using runtime::CheckLimits;
using runtime::CheckOutcome;
using runtime::CheckTask;
using runtime::ConsumerCheck;
using testing::HasSubstr;
using namespace std::chrono_literals;

class ConsumerCheckTest : public OnLoop {
 protected:
    void SetUp() override {
        OnLoop::SetUp();
        client_ = std::make_unique<http::Client>(loop(), "hwenroll-test/1");
        loop().serve(*client_);
        published_ = make_certificate("new", "/CN=web", "02");
    }

    Certificate make_certificate(const std::string& file, const std::string& subject, const std::string& serial,
                                 const std::string& names = "DNS:*.example.com,DNS:web.example.com") {
        const RunResult made =
            test::run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                       "-subj", subject, "-set_serial", "0x" + serial, "-addext", "subjectAltName=" + names, "-keyout",
                       directory_ / (file + ".key"), "-out", directory_ / (file + ".pem")});
        EXPECT_EQ(made.exit_code, 0) << made.err;
        return certificates_from_pem(read_file(directory_ / (file + ".pem"))).value().front();
    }

    /// `openssl s_server` with the certificate `file` on a free port; its `127.0.0.1:PORT`.
    std::string serve(const std::string& file, const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"openssl",
                                           "s_server",
                                           "-accept",
                                           "127.0.0.1:0",
                                           "-www",
                                           "-cert",
                                           directory_ / (file + ".pem"),
                                           "-key",
                                           directory_ / (file + ".key")};
        arguments.insert(arguments.end(), more.begin(), more.end());
        server_ = std::make_unique<ChildProcess>(arguments);
        const std::string mark = "ACCEPT ";
        for (int tries = 0; tries < 2000 && !server_->wait(5ms); ++tries) {
            const std::string printed = server_->out();
            const auto at = printed.find(mark);
            if (at != std::string::npos && printed.find('\n', at) != std::string::npos) {
                return printed.substr(at + mark.size(), printed.find('\n', at) - at - mark.size());
            }
        }
        ADD_FAILURE() << server_->err();
        return "127.0.0.1:1";
    }

    CheckOutcome check(CheckTask task, CheckLimits limits = {}) {
        return wait_for<CheckOutcome>([&](std::function<void(CheckOutcome)> done) {
            check_ = ConsumerCheck::start(loop(), *client_, std::move(task), *published_, limits, std::move(done));
        });
    }
    CheckOutcome check_tls(const std::string& address, std::chrono::milliseconds time_out = 10s) {
        CheckTask task{"web", 2, "/live", address, {}};
        return check(std::move(task), {time_out, 60s});
    }

    std::unique_ptr<http::Client> client_;
    std::optional<Certificate> published_;
    std::unique_ptr<ChildProcess> server_;
    std::unique_ptr<ConsumerCheck> check_;
};

TEST_F(ConsumerCheckTest, O4_a_server_with_the_published_certificate_confirms_it) {
    const std::string address = serve("new");
    const CheckOutcome outcome = check_tls(address);
    EXPECT_TRUE(outcome.confirmed) << outcome.text;
    EXPECT_EQ(outcome.text, address + " serves the published certificate, serial 02");
}

TEST_F(ConsumerCheckTest, O4_a_server_with_the_old_certificate_fails_and_its_serial_is_named) {
    make_certificate("old", "/CN=web", "01");
    published_ = make_certificate("newest", "/CN=web", "03");
    const std::string address = serve("old");
    const CheckOutcome outcome = check_tls(address);
    EXPECT_FALSE(outcome.confirmed);
    EXPECT_EQ(outcome.text, address + " serves the old certificate, serial 01");
    EXPECT_EQ(outcome.error("web").code(), ErrorCode::verify_failed);
}

TEST_F(ConsumerCheckTest, O4_a_foreign_certificate_is_not_called_the_old_one) {
    make_certificate("other", "/CN=mail", "7F");
    EXPECT_THAT(check_tls(serve("other")).text, HasSubstr("serves another certificate, serial 7F"));
}

TEST_F(ConsumerCheckTest, O4_a_server_of_many_names_is_asked_for_the_certificates_own) {
    make_certificate("other", "/CN=mail", "7F");
    const CheckOutcome outcome = check_tls(serve("other", {"-servername", "web.example.com", "-cert2",
                                                           directory_ / "new.pem", "-key2", directory_ / "new.key"}));
    EXPECT_TRUE(outcome.confirmed) << outcome.text;
}

TEST_F(ConsumerCheckTest, O4_a_host_that_is_named_is_asked_for_by_that_name) {
    const http::Request named = runtime::handshake_for("mail.example.com:993", *published_, 1s);
    EXPECT_EQ(named.url, "https://mail.example.com:993/");
    EXPECT_EQ(named.connect_to, "");
    const http::Request numbered = runtime::handshake_for("[::1]:443", *published_, 1s);
    EXPECT_EQ(numbered.url, "https://web.example.com/");
    EXPECT_EQ(numbered.connect_to, "[::1]:443");
    const Certificate nameless = make_certificate("ip", "/CN=ip", "05", "IP:127.0.0.1");
    EXPECT_EQ(runtime::handshake_for("127.0.0.1:443", nameless, 1s).url, "https://127.0.0.1:443/");
}

TEST_F(ConsumerCheckTest, O4_nobody_there_is_a_failure_with_the_cause) {
    const std::string address = serve("new");
    server_.reset();
    const CheckOutcome outcome = check_tls(address);
    EXPECT_FALSE(outcome.confirmed);
    EXPECT_THAT(outcome.text, HasSubstr(address + " could not be asked: "));
}

TEST_F(ConsumerCheckTest, O4_a_silent_server_ends_the_check_at_its_deadline) {
    ScriptedServer server({{await_close()}});
    const CheckOutcome outcome = check_tls("127.0.0.1:" + std::to_string(server.port()), 200ms);
    EXPECT_FALSE(outcome.confirmed);
    EXPECT_THAT(outcome.text, HasSubstr("could not be asked"));
}

TEST_F(ConsumerCheckTest, O4_a_command_confirms_by_exit_0_and_is_told_of_the_generation) {
    const CheckOutcome outcome =
        check({"web",
               2,
               "/live",
               "",
               {"/bin/sh", "-c", "[ $HWENROLL_REASON = verify ] && [ $HWENROLL_PATH = /live/web/gen-002 ]"}});
    EXPECT_TRUE(outcome.confirmed) << outcome.text;
}

TEST_F(ConsumerCheckTest, O4_another_exit_status_does_not_confirm) {
    const CheckOutcome outcome = check({"web", 2, "/live", "", {"/bin/sh", "-c", "echo stale; exit 1"}});
    EXPECT_FALSE(outcome.confirmed);
    EXPECT_EQ(outcome.text, "'/bin/sh' exited with status 1");
    EXPECT_EQ(outcome.output, "stale\n");
}

TEST_F(ConsumerCheckTest, O2_a_command_that_hangs_does_not_confirm) {
    const CheckOutcome outcome = check({"web", 2, "/live", "", {"/bin/sleep", "inf"}}, {10s, 100ms});
    EXPECT_FALSE(outcome.confirmed);
    EXPECT_THAT(outcome.text, HasSubstr("did not end in time"));
}

TEST_F(ConsumerCheckTest, X10_that_is_given_up_stays_silent) {
    ScriptedServer server({{await_close()}});
    CheckTask task{"web", 2, "/live", "127.0.0.1:" + std::to_string(server.port()), {}};
    bool called = false;
    auto check = ConsumerCheck::start(loop(), *client_, std::move(task), *published_, {100ms, 100ms},
                                      [&](const CheckOutcome&) { called = true; });
    check.reset();
    const auto end = loop().after(300ms, [&] { loop().stop(); });
    ASSERT_TRUE(loop().run());
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace hwenroll::test
