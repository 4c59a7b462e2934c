// The loop: work from other threads, signals, repetition.
#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "agent/runtime/token_thread.h"
#include "base/file_descriptor.h"

namespace hwenroll::runtime {
namespace {

using MakeSources = Result<std::unique_ptr<EventSources>> (*)();

/// Each kind of sources must do the same.
class EventLoopUpon : public testing::TestWithParam<MakeSources> {
 protected:
    static Result<std::unique_ptr<EventLoop>> make_loop(std::function<void()> on_stop) {
        auto sources = GetParam()();
        return sources ? EventLoop::make(std::move(on_stop), *std::move(sources)) : fail(sources.error());
    }
};

TEST_P(EventLoopUpon, runs_what_other_threads_post_on_its_own_thread) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    std::thread::id ran_on;
    std::thread other([&] {
        (*loop)->post([&] {
            ran_on = std::this_thread::get_id();
            (*loop)->stop();
        });
    });
    ASSERT_TRUE((*loop)->run());
    other.join();
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_P(EventLoopUpon, a_termination_signal_is_reported_once_and_on_the_loop) {
    int stops = 0;
    EventLoop* inner = nullptr;
    auto loop = make_loop([&] {
        ++stops;
        inner->post([&] { inner->stop(); });
    });
    ASSERT_TRUE(loop);
    inner = loop->get();
    ASSERT_EQ(::raise(SIGTERM), 0);
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(stops, 1);
}

TEST_P(EventLoopUpon, repeats_a_task) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    int ticks = 0;
    (*loop)->every(std::chrono::milliseconds(1), [&] {
        if (++ticks == 3) {
            (*loop)->stop();
        }
    });
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(ticks, 3);
}

TEST_P(EventLoopUpon, much_posted_work_keeps_its_order_and_lets_a_timer_have_its_turn) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    std::vector<int> ran;
    std::size_t before_timer = 0;
    const Watch timer = (*loop)->after(std::chrono::milliseconds(1), [&] { before_timer = ran.size(); });
    for (int i = 0; i < 20; ++i) {
        (*loop)->post([&ran, i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the work
            ran.push_back(i);
        });
    }
    (*loop)->post([&] { (*loop)->stop(); });
    ASSERT_TRUE((*loop)->run());
    ASSERT_EQ(ran.size(), 20U);
    EXPECT_TRUE(std::ranges::is_sorted(ran));
    EXPECT_GT(before_timer, 0U);
    EXPECT_LT(before_timer, 20U);
}

/// Both ends of a pipe.
struct Pipe {
    Pipe() {
        std::array<int, 2> both{-1, -1};
        EXPECT_EQ(::pipe2(both.data(), O_CLOEXEC | O_NONBLOCK), 0);
        out = FileDescriptor(both[0]);
        in = FileDescriptor(both[1]);
    }
    FileDescriptor out;
    FileDescriptor in;
};

TEST_P(EventLoopUpon, tells_which_events_a_watched_descriptor_has) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    Pipe pipe;
    std::vector<std::uint32_t> seen;
    const Watch watch = (*loop)->watch_fd(pipe.out.get(), EPOLLIN, [&](std::uint32_t events) {
        seen.push_back(events);
        char octet = 0;
        EXPECT_EQ(::read(pipe.out.get(), &octet, 1), seen.size() == 1 ? 1 : 0);
        pipe.in.reset();
        if (seen.size() == 2) {
            (*loop)->stop();
        }
    });
    ASSERT_TRUE(watch);
    ASSERT_EQ(::write(pipe.in.get(), "x", 1), 1);
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(seen, (std::vector<std::uint32_t>{EPOLLIN, EPOLLHUP}));
}

TEST_P(EventLoopUpon, a_watch_may_end_in_its_own_callback_and_is_then_silent) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    Pipe pipe;
    ASSERT_EQ(::write(pipe.in.get(), "x", 1), 1);
    int calls = 0;
    Watch watch;
    Watch end;
    // What the callback holds must survive its watch: ASan sees it otherwise.
    watch = (*loop)->watch_fd(pipe.out.get(), EPOLLIN, [&, text = std::string(100, 'x')](std::uint32_t) {
        ++calls;
        watch.reset();
        EXPECT_EQ(text, std::string(100, 'x'));
        end = (*loop)->after(std::chrono::milliseconds(5), [&] { (*loop)->stop(); });
    });
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(watch);
}

TEST_P(EventLoopUpon, a_delayed_task_runs_once_unless_its_watch_has_ended) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    std::string order;
    Watch dropped = (*loop)->after(std::chrono::milliseconds(1), [&] { order += "dropped"; });
    const Watch first = (*loop)->after(std::chrono::milliseconds(2), [&] { order += "first "; });
    const Watch last = (*loop)->after(std::chrono::milliseconds(20), [&] {
        order += "last";
        (*loop)->stop();
    });
    dropped = Watch();
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(order, "first last");
}

TEST_P(EventLoopUpon, a_watch_may_outlive_its_loop) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    Watch watch = (*loop)->after(std::chrono::hours(1), [] {});
    loop->reset();
    watch.reset();
    EXPECT_FALSE(watch);
}

TEST_P(EventLoopUpon, a_regular_file_cannot_be_watched_and_the_watch_says_so) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    const FileDescriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE((*loop)->watch_fd(file.get(), EPOLLIN, [](std::uint32_t) {}));
}

TEST_P(EventLoopUpon, a_descriptor_that_is_always_ready_and_delays_that_are_always_due_take_turns) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    Pipe pipe;
    ASSERT_EQ(::write(pipe.in.get(), "x", 1), 1);
    Pipe other;
    ASSERT_EQ(::write(other.in.get(), "x", 1), 1);
    int read = 0;
    int read_other = 0;
    int delays = 0;
    const auto count = [&](int& calls) {
        ++calls;
        if (read >= 100 && read_other >= 100 && delays >= 100) {
            (*loop)->stop();
        }
    };
    const Watch first = (*loop)->watch_fd(pipe.out.get(), EPOLLIN, [&](std::uint32_t) { count(read); });
    const Watch second = (*loop)->watch_fd(other.out.get(), EPOLLIN, [&](std::uint32_t) { count(read_other); });
    Watch delay;
    const std::function<void()> again = [&] {
        delay = (*loop)->after(std::chrono::milliseconds(0), again);
        count(delays);
    };
    again();
    ASSERT_TRUE((*loop)->run());
    // None of them starves: sd-event lets a delay be late by its accuracy of 1 ms.
    EXPECT_GE(std::min({read, read_other, delays}), 100);
    EXPECT_LT(std::max(read, read_other), 2 * std::min(read, read_other) + 100);
}

TEST_P(EventLoopUpon, a_descriptor_that_was_closed_unseen_and_has_come_back_is_watched_anew) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    auto pipe = std::make_unique<Pipe>();
    const int number = pipe->out.get();
    int old_calls = 0;
    int new_calls = 0;
    Watch watch = (*loop)->watch_fd(number, EPOLLIN, [&](std::uint32_t) { ++old_calls; });
    pipe.reset();  // before the watch, as curl does
    pipe = std::make_unique<Pipe>();
    ASSERT_EQ(pipe->out.get(), number);
    watch = Watch();
    watch = (*loop)->watch_fd(number, EPOLLIN, [&](std::uint32_t) {
        ++new_calls;
        (*loop)->stop();
    });
    ASSERT_TRUE(watch);
    ASSERT_EQ(::write(pipe->in.get(), "x", 1), 1);
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(old_calls, 0);
    EXPECT_EQ(new_calls, 1);
}

TEST_P(EventLoopUpon, a_long_delay_and_none_at_all_do_not_overflow) {
    auto loop = make_loop({});
    ASSERT_TRUE(loop);
    bool never = false;
    const Watch long_one = (*loop)->after(std::chrono::hours(24 * 365 * 100), [&] { never = true; });
    const Watch late = (*loop)->after(std::chrono::milliseconds(-5), [&] { (*loop)->stop(); });
    ASSERT_TRUE((*loop)->run());
    EXPECT_FALSE(never);
}

INSTANTIATE_TEST_SUITE_P(Epoll, EventLoopUpon, testing::Values(&epoll_event_sources));
#ifdef HWENROLL_SYSTEMD
INSTANTIATE_TEST_SUITE_P(Systemd, EventLoopUpon, testing::Values(&systemd_event_sources));
#endif

TEST(TokenThread, runs_jobs_in_order_off_the_loop_and_answers_on_it) {
    auto loop = EventLoop::make({});
    ASSERT_TRUE(loop);
    TokenThread thread(**loop);
    std::vector<int> order;
    const auto here = std::this_thread::get_id();
    for (int i = 0; i < 3; ++i) {
        thread.run([i, here] { return std::pair(i, std::this_thread::get_id() != here); },
                   [&](const std::pair<int, bool>& result) {
                       EXPECT_TRUE(result.second);
                       EXPECT_EQ(std::this_thread::get_id(), here);
                       order.push_back(result.first);
                       if (order.size() == 3) {
                           (*loop)->stop();
                       }
                   });
    }
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(TokenThread, its_end_waits_for_the_running_job) {
    auto loop = EventLoop::make({});
    ASSERT_TRUE(loop);
    std::mutex gate;
    gate.lock();
    std::atomic<bool> running = false;
    std::atomic<bool> done = false;
    auto thread = std::make_unique<TokenThread>(**loop);
    thread->run(
        [&] {
            running = true;
            const std::lock_guard wait(gate);
            done = true;
            return 1;
        },
        [](int) {});
    while (!running) {
        std::this_thread::yield();
    }
    std::thread ending([&] { thread.reset(); });
    EXPECT_FALSE(done);
    gate.unlock();
    ending.join();
    EXPECT_TRUE(done);
}

TEST(EventLoop, that_cannot_be_set_up_is_an_internal_error) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs a descriptor of its own to look at an object's type";
#endif
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto loop = EventLoop::make({});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().code(), ErrorCode::internal);
    EXPECT_EQ(loop.error().why(), "Too many open files");
}

}  // namespace
}  // namespace hwenroll::runtime
