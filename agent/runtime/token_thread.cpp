#include "agent/runtime/token_thread.h"

namespace hwenroll::runtime {

TokenThread::TokenThread(EventLoop& loop) : loop_(loop), thread_([this] { work(); }) {}

TokenThread::~TokenThread() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        tasks_.clear();
    }
    changed_.notify_all();
    thread_.join();
}

void TokenThread::push(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
}

void TokenThread::work() {
    for (;;) {
        std::function<void()> task;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
            if (ending_) {
                return;
            }
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        task();
    }
}

}  // namespace hwenroll::runtime
