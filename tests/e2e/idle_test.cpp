// What an agent costs that has nothing to do: no wake-up beyond one a minute, few writes, for years.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/support/process_memory.h"

namespace hwenroll::test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

/// Until `holds`, at most 30 s.
bool eventually(const std::function<bool()>& holds) {
    const auto end = steady_clock::now() + seconds(30);
    while (!holds()) {
        if (steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

TEST(IdleAgent, wakes_up_at_most_once_a_minute) {
    // By the system's clock: an agent on a test clock looks all the time whether the test has moved it.
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    // As under systemd with the watchdog of hwenrolld.service.
    ChildProcess daemon(
        {program("hwenrolld"), "--config", world.config().string()},
        {{"WATCHDOG_USEC=180000000", "NOTIFY_SOCKET=" + (world.directory() / "notify").string()}, {}, {}});
    ASSERT_TRUE(eventually([&] {
        return world.hwenroll({"wait", "web", "--timeout", "30"}).exit_code == 0;
    })) << daemon.err();
    // The end of that command's connection is still to be seen.
    ASSERT_TRUE(eventually([&] {
        const long until_now = wakeups_of(daemon.pid());
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        return wakeups_of(daemon.pid()) == until_now && next_timer_of(daemon.pid()).value_or(seconds(0)) > seconds(20);
    })) << "it is never quiet";
    const auto workers = children_of(daemon.pid());
    ASSERT_EQ(workers.size(), 1U);
    const long before = wakeups_of(daemon.pid());
    const long worker_before = wakeups_of(workers.front());
    std::this_thread::sleep_for(seconds(4));  // what is measured, not waited for
    EXPECT_EQ(wakeups_of(daemon.pid()) - before, 0);
    EXPECT_EQ(wakeups_of(workers.front()) - worker_before, 0);
    daemon.kill(SIGTERM);
    EXPECT_TRUE(daemon.wait(seconds(10)));
}

TEST(IdleAgent, syncs_at_most_24_times_a_day) {
    DaemonWorld world({"--lifetime", std::to_string(120 * 86400), "--backdate", "0"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    ASSERT_EQ(world.stop_daemon(), 0);
    const std::string trace = (world.directory() / "trace").string();
    // LeakSanitizer cannot work beside another tracer.
    world.start_daemon(
        {"ASAN_OPTIONS=detect_leaks=0"},
        {"strace", "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync,syncfs,msync,sync_file_range", "-o", trace});
    world.eventually("a start", [&] { return world.word() == "OK"; });
    world.let_pass(seconds(86400), seconds(10));
    EXPECT_EQ(world.word(), "OK");
    EXPECT_EQ(world.stop_daemon(), 0);
    const std::string calls = read_file(trace);
    EXPECT_THAT(calls, HasSubstr("sync(")) << "the clock's floor is kept";
    fmt::print("syncs of a day, a start and an end: {}\n", std::ranges::count(calls, '\n'));
    EXPECT_LE(std::ranges::count(calls, '\n'), 24) << "with those of its start and its end\n" << calls;
    EXPECT_EQ(world.issued().size(), 1U);
}

}  // namespace
}  // namespace hwenroll::test
