#include "agent/runtime/event_loop.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utility>

namespace hwenroll::runtime {
namespace {

/// Tasks that were posted run so long before sockets and timers have their turn.
constexpr std::chrono::milliseconds longest_turn{20};

Result<std::unique_ptr<EventSources>> default_sources() {
#ifdef HWENROLL_SYSTEMD
    return systemd_event_sources();
#else
    return epoll_event_sources();
#endif
}

tl::unexpected<Error> setup_failure(const char* call, int number) {
    return fail(
        Error(ErrorCode::internal, std::string("cannot set up the event loop: ") + call, std::strerror(number)));
}

}  // namespace

struct EventLoop::Repeating {
    std::chrono::milliseconds interval{};
    std::function<void()> task;
    Watch next;
};

Watch& Watch::operator=(Watch&& other) noexcept {
    if (this != &other) {
        reset();
        source_ = std::move(other.source_);
    }
    return *this;
}

void Watch::reset() {
    if (const auto source = std::exchange(source_, nullptr)) {
        source->end();
    }
}

EventLoop::EventLoop(std::function<void()> on_stop, std::unique_ptr<EventSources> sources)
    : on_stop_(std::move(on_stop)), sources_(std::move(sources)) {}

EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::make(std::function<void()> on_stop) {
    auto sources = default_sources();
    if (!sources) {
        return fail(sources.error());
    }
    return make(std::move(on_stop), *std::move(sources));
}

Result<std::unique_ptr<EventLoop>> EventLoop::make(std::function<void()> on_stop,
                                                   std::unique_ptr<EventSources> sources) {
    std::unique_ptr<EventLoop> made(new EventLoop(std::move(on_stop), std::move(sources)));
    if (const Status watched = made->watch_wake_ups(); !watched) {
        return fail(watched.error());
    }
    if (const Status watched = made->watch_signals(); !watched) {
        return fail(watched.error());
    }
    return made;
}

Status EventLoop::watch_wake_ups() {
    wake_ups_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_ups_.valid()) {
        return setup_failure("eventfd", errno);
    }
    wake_watch_ = watch_fd(wake_ups_.get(), EPOLLIN, [this](std::uint32_t) {
        std::uint64_t count = 0;
        static_cast<void>(::read(wake_ups_.get(), &count, sizeof count) > 0);  // EAGAIN: another wake-up has drained it
        run_posted();
    });
    return wake_watch_ ? Status() : setup_failure("eventfd", EINVAL);
}

Status EventLoop::watch_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (const int code = pthread_sigmask(SIG_BLOCK, &signals, nullptr); code != 0) {
        return setup_failure("pthread_sigmask", code);
    }
    signals_ = FileDescriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) {
        return setup_failure("signalfd", errno);
    }
    signal_watch_ = watch_fd(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) > 0) {
        }
        if (on_stop_) {
            std::exchange(on_stop_, nullptr)();
        }
    });
    return signal_watch_ ? Status() : setup_failure("signalfd", EINVAL);
}

void EventLoop::post(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(task));
    }
    wake();
}

void EventLoop::run_posted() {
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(posted_);
    }
    const auto end = std::chrono::steady_clock::now() + longest_turn;
    for (auto task = tasks.begin(); task != tasks.end(); ++task) {
        (*task)();
        if (std::chrono::steady_clock::now() > end) {
            return put_back(std::move(tasks), task + 1);
        }
    }
}

/// Sockets and timers come first; then these, in their order.
void EventLoop::put_back(std::vector<std::function<void()>> tasks, std::vector<std::function<void()>>::iterator begin) {
    if (begin == tasks.end()) {
        return;
    }
    const std::lock_guard lock(mutex_);
    posted_.insert(posted_.begin(), std::make_move_iterator(begin), std::make_move_iterator(tasks.end()));
    wake();
}

void EventLoop::wake() {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN) means that the loop is about to wake anyway.
    static_cast<void>(::write(wake_ups_.get(), &one, sizeof one) > 0);
}

void EventLoop::every(std::chrono::milliseconds interval, std::function<void()> task) {
    repeating_.push_back(std::make_unique<Repeating>());
    repeating_.back()->interval = interval;
    repeating_.back()->task = std::move(task);
    repeat(*repeating_.back());
}

void EventLoop::repeat(Repeating& repeating) {
    repeating.next = after(repeating.interval, [this, &repeating] {
        repeating.task();
        repeat(repeating);
    });
}

Watch EventLoop::watch_fd(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready) {
    return Watch(sources_->add_descriptor(fd, events, std::move(ready)));
}

Watch EventLoop::after(std::chrono::milliseconds delay, std::function<void()> task) {
    return Watch(sources_->add_delay(std::max(delay, std::chrono::milliseconds(0)), std::move(task)));
}

Status EventLoop::run() {
    while (!std::exchange(stopped_, false)) {
        if (const int number = sources_->dispatch_one(); number != 0) {
            return fail(Error(ErrorCode::internal, "the event loop failed", std::strerror(number)));
        }
    }
    return {};
}

void EventLoop::stop() {
    stopped_ = true;
}

void EventLoop::watch(int fd, bool readable, bool writable) {
    // Always a new source: curl may have closed the descriptor and been given the same number again.
    sockets_.erase(fd);
    if (!readable && !writable) {
        return;
    }
    const auto events = (readable ? std::uint32_t{EPOLLIN} : 0U) | (writable ? std::uint32_t{EPOLLOUT} : 0U);
    Watch watch = watch_fd(fd, events, [this, fd](std::uint32_t ready) {
        const bool broken = (ready & (EPOLLERR | EPOLLHUP)) != 0;
        if (on_socket_) {
            on_socket_(fd, broken || (ready & EPOLLIN) != 0, broken || (ready & EPOLLOUT) != 0);
        }
    });
    if (watch) {
        sockets_.emplace(fd, std::move(watch));
    }
}

void EventLoop::set_timer(std::optional<std::chrono::milliseconds> delay) {
    timer_.reset();
    if (delay) {
        timer_ = after(*delay, [this] {
            if (on_timer_) {
                on_timer_();
            }
        });
    }
}

}  // namespace hwenroll::runtime
