// The loop: work from other threads, signals, repetition.
#include <csignal>
#include <sys/resource.h>
#include <thread>

#include <gtest/gtest.h>

#include "agent/runtime/token_thread.h"

namespace hwenroll::runtime {
namespace {

TEST(EventLoop, runs_what_other_threads_post_on_its_own_thread) {
    auto loop = EventLoop::make({});
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

TEST(EventLoop, a_termination_signal_is_reported_once_and_on_the_loop) {
    int stops = 0;
    EventLoop* inner = nullptr;
    auto loop = EventLoop::make([&] {
        ++stops;
        inner->post([&] { inner->stop(); });
    });
    ASSERT_TRUE(loop);
    inner = loop->get();
    ASSERT_EQ(::raise(SIGTERM), 0);
    ASSERT_TRUE((*loop)->run());
    EXPECT_EQ(stops, 1);
}

TEST(EventLoop, repeats_a_task) {
    auto loop = EventLoop::make({});
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
