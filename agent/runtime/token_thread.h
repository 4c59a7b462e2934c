// One thread for each token: every call that can reach its keys runs there, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "agent/runtime/event_loop.h"

namespace hwenroll::runtime {

/// Executes jobs one after the other and hands their results to the loop. Destruction waits for the running job (which
/// the token's deadline bounds) and drops the others.
class TokenThread {
 public:
    explicit TokenThread(EventLoop& loop);
    TokenThread(const TokenThread&) = delete;
    TokenThread& operator=(const TokenThread&) = delete;
    ~TokenThread();

    /// Calls `job()` on the token's thread, then `done(result)` on the loop's. Both must own what they use.
    template <class Job, class Done>
    void run(Job job, Done done) {
        push([this, job = std::move(job), done = std::move(done)]() mutable {
            auto result = std::make_shared<decltype(job())>(job());
            loop_.post([result, done = std::move(done)]() mutable { done(std::move(*result)); });
        });
    }

 private:
    void push(std::function<void()> task);
    void work();

    EventLoop& loop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> tasks_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace hwenroll::runtime
