// The agent's side of hooks: here, or in hwenroll-hook.
#include "agent/runtime/hook_run.h"

#include <gmock/gmock.h>

#include "agent/runtime/hook_protocol.h"
#include "tests/agent/hook/loop_fixture.h"
#include "tests/agent/hook/packet_server.h"
#include "tests/http/child_observation.h"

namespace hwenroll::test {
namespace {

using runtime::HookOutcome;
using runtime::HookPlace;
using runtime::HookRun;
using runtime::HookTask;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class HookRunTest : public OnLoop {
 protected:
    [[nodiscard]] std::filesystem::path socket() const { return directory_ / "hook"; }

    static HookTask task(const std::string& line) {
        return {"web", 7, "/var/lib/hwenroll/live", {{"/bin/sh", "-c", line}}};
    }

    HookOutcome run(HookTask hooks, std::chrono::milliseconds time_out = 60s) {
        return wait_for<HookOutcome>([&](std::function<void(HookOutcome)> done) {
            run_ = HookRun::start(loop(), {socket(), time_out}, std::move(hooks), std::move(done));
        });
    }

    /// What HookRun makes of a service that takes the request and does `reply`.
    HookOutcome run_against(const std::function<void(FileDescriptor&)>& reply) {
        FileDescriptor connection;
        std::string request(256, '\0');
        runtime::Watch watch;
        const PacketServer server(loop(), socket(), [&](FileDescriptor accepted) {
            connection = std::move(accepted);
            watch = loop().watch_fd(connection.get(), EPOLLIN, [&](std::uint32_t) {
                const ssize_t size = ::recv(connection.get(), request.data(), request.size(), 0);
                request.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
                watch.reset();
                reply(connection);
            });
        });
        const HookOutcome outcome = run(task("echo ran here > " + (directory_ / "here").string()));
        EXPECT_EQ(request, "hook 1 web 7") << "no more than this may be sent";
        EXPECT_FALSE(std::filesystem::exists(directory_ / "here"));
        return outcome;
    }

    std::unique_ptr<HookRun> run_;
};

std::function<void(FileDescriptor&)> saying(std::string packet) {
    return [packet = std::move(packet)](FileDescriptor& connection) {
        EXPECT_EQ(::send(connection.get(), packet.data(), packet.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(packet.size()));
    };
}

TEST_F(HookRunTest, without_the_service_runs_the_programs_here_and_tells_them_of_the_generation) {
    const HookOutcome outcome =
        run(task("echo $HWENROLL_IDENTITY $HWENROLL_GENERATION $HWENROLL_PATH $HWENROLL_REASON"));
    EXPECT_TRUE(outcome.succeeded) << outcome.text;
    EXPECT_FALSE(outcome.unavailable);
    EXPECT_THAT(outcome.output, HasSubstr("web 7 /var/lib/hwenroll/live/web/gen-007 change\n"));
}

TEST_F(HookRunTest, O1_a_failing_program_is_hook_failed_and_its_output_apart) {
    const HookOutcome outcome = run(task("echo hunter2; exit 3"));
    EXPECT_FALSE(outcome.succeeded);
    EXPECT_EQ(outcome.error("web").code(), ErrorCode::hook_failed);
    EXPECT_THAT(outcome.error("web").line(), HasSubstr("web: a hook of 'on_change' failed ('/bin/sh' exited with"));
    EXPECT_THAT(outcome.error("web").line(), Not(HasSubstr("hunter2")));
    EXPECT_THAT(outcome.output, HasSubstr("hunter2"));
}

TEST_F(HookRunTest, O2_a_hanging_program_is_ended_at_the_time_out) {
    const HookOutcome outcome = run(task("sleep inf"), 100ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_FALSE(outcome.succeeded);
}

TEST_F(HookRunTest, without_programs_nothing_is_asked_of_anybody) {
    write_file(socket(), "");
    EXPECT_TRUE(run({"web", 7, "/live", {}}).succeeded);
}

TEST_F(HookRunTest, X9_may_be_run_again_and_again) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(run(task("echo run >> " + (directory_ / "log").string())).succeeded);
    }
    EXPECT_EQ(read_file(directory_ / "log"), "run\nrun\nrun\n");
}

TEST_F(HookRunTest, O1_the_services_verdict_is_the_outcome) {
    const HookOutcome well = run_against(saying("1 succeeded the command exited with status 0"));
    EXPECT_TRUE(well.succeeded);
    EXPECT_EQ(well.text, "the command exited with status 0");
}

TEST_F(HookRunTest, O1_the_services_failure_is_hook_failed) {
    const HookOutcome failed = run_against(saying("1 failed '/bin/false' exited with status 1"));
    EXPECT_FALSE(failed.succeeded || failed.unavailable || failed.timed_out);
    EXPECT_EQ(failed.error("web").code(), ErrorCode::hook_failed);
}

TEST_F(HookRunTest, O2_the_services_time_out_is_one) {
    EXPECT_TRUE(run_against(saying("1 timed-out '/bin/sleep' did not end in time")).timed_out);
}

TEST_F(HookRunTest, a_refusal_by_the_service_is_unavailable) {
    const HookOutcome refused = run_against(saying("1 refused E-HOOK-REFUSED no"));
    EXPECT_TRUE(refused.unavailable);
    EXPECT_EQ(refused.error("web").code(), ErrorCode::hook_unavailable);
}

TEST_F(HookRunTest, O1_a_service_that_ends_without_an_answer_is_unavailable) {
    const HookOutcome outcome = run_against([](FileDescriptor& connection) { connection.reset(); });
    EXPECT_FALSE(outcome.succeeded);
    EXPECT_TRUE(outcome.unavailable);
    EXPECT_EQ(outcome.text, "hwenroll-hook ended without an answer");
}

TEST_F(HookRunTest, an_answer_that_makes_no_sense_is_no_success) {
    EXPECT_TRUE(run_against(saying("succeeded")).unavailable);
}

TEST_F(HookRunTest, an_answer_that_is_too_long_is_no_success) {
    EXPECT_TRUE(run_against(saying("1 succeeded " + std::string(runtime::max_hook_answer, 'x'))).unavailable);
}

TEST_F(HookRunTest, O1_a_socket_that_nobody_serves_is_unavailable) {
    {
        const PacketServer gone(loop(), socket(), [](FileDescriptor) {});
    }
    const HookOutcome outcome = run(task("true"));
    EXPECT_FALSE(outcome.succeeded) << "never run here instead: the operator wants root's hooks";
    EXPECT_TRUE(outcome.unavailable);
    EXPECT_EQ(outcome.error("web").code(), ErrorCode::hook_unavailable);
    EXPECT_THAT(outcome.text, HasSubstr("Connection refused"));
}

TEST_F(HookRunTest, that_is_given_up_closes_its_connection) {
    FileDescriptor connection;
    runtime::Watch watch;
    std::string seen;
    const PacketServer server(loop(), socket(), [&](FileDescriptor accepted) {
        connection = std::move(accepted);
        watch = loop().watch_fd(connection.get(), EPOLLIN, [&](std::uint32_t) {
            char octet = 0;
            const ssize_t size = ::recv(connection.get(), &octet, 1, MSG_TRUNC);
            seen += size > 0 ? "request " : "end";
            size > 0 ? run_.reset() : loop().stop();
        });
    });
    run_ = HookRun::start(loop(), {socket()}, task("true"), [](const HookOutcome&) { FAIL() << "done was called"; });
    ASSERT_TRUE(loop().run());
    EXPECT_EQ(seen, "request end");
}

TEST_F(HookRunTest, under_systemd_nothing_runs_as_the_agents_user_while_the_socket_is_missing) {
    const auto outcome = wait_for<HookOutcome>([&](std::function<void(HookOutcome)> done) {
        run_ = HookRun::start(loop(), {socket(), 60s, true}, task("echo ran > " + (directory_ / "here").string()),
                              std::move(done));
    });
    EXPECT_FALSE(outcome.succeeded);
    EXPECT_TRUE(outcome.unavailable);
    EXPECT_FALSE(std::filesystem::exists(directory_ / "here"));
    const Error error = outcome.error("web");
    EXPECT_EQ(error.code(), ErrorCode::hook_unavailable);
    EXPECT_THAT(error.line(), HasSubstr("systemctl enable --now hwenroll-hook.socket"));
}

TEST_F(HookRunTest, under_systemd_an_identity_without_hooks_needs_no_socket) {
    const auto outcome = wait_for<HookOutcome>([&](std::function<void(HookOutcome)> done) {
        run_ = HookRun::start(loop(), {socket(), 60s, true}, {"web", 7, "/var/lib/hwenroll/live", {}}, std::move(done));
    });
    EXPECT_TRUE(outcome.succeeded) << outcome.text;
}

TEST(HookServiceNeeded, is_so_for_a_process_that_systemd_started_and_that_is_not_root) {
    struct Seen {
        bool elsewhere = true, inherited = true, as_root = true, as_nobody = false, became_nobody = false;
    };
    const auto seen = seen_by_a_child([] {
        Seen all;
        ::unsetenv("SYSTEMD_EXEC_PID");
        all.elsewhere = runtime::hook_service_needed();
        ::setenv("SYSTEMD_EXEC_PID", std::to_string(::getppid()).c_str(), 1);
        all.inherited = runtime::hook_service_needed();
        ::setenv("SYSTEMD_EXEC_PID", std::to_string(::getpid()).c_str(), 1);
        all.as_root = ::geteuid() == 0 && runtime::hook_service_needed();
        all.became_nobody = ::geteuid() != 0 || ::setuid(65534) == 0;
        all.as_nobody = runtime::hook_service_needed();
        return all;
    });
    EXPECT_FALSE(seen.elsewhere);
    EXPECT_FALSE(seen.inherited) << "what a service has started is no service";
    EXPECT_FALSE(seen.as_root);
    EXPECT_TRUE(seen.became_nobody);
    EXPECT_TRUE(seen.as_nobody);
}

}  // namespace
}  // namespace hwenroll::test
