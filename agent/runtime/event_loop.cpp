#include "agent/runtime/event_loop.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <systemd/sd-event.h>

#include "base/file_descriptor.h"

namespace hwenroll::runtime {
namespace {

struct UnrefSource {
    void operator()(sd_event_source* source) const noexcept { sd_event_source_disable_unref(source); }
};
using Source = std::unique_ptr<sd_event_source, UnrefSource>;

struct UnrefLoop {
    void operator()(sd_event* loop) const noexcept { sd_event_unref(loop); }
};

constexpr std::uint64_t timer_accuracy_us = 1000;

/// Tasks that were posted run so long before sockets and timers have their turn.
constexpr std::chrono::milliseconds longest_turn{20};

struct Repeating {
    std::uint64_t interval_us = 0;
    std::function<void()> task;
    Source source;
};

int on_repeat(sd_event_source* source, std::uint64_t now_us, void* data) {
    const auto* repeating = static_cast<const Repeating*>(data);
    repeating->task();
    sd_event_source_set_time(source, now_us + repeating->interval_us);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

}  // namespace

/// The callbacks of sd-event keep it alive while they run, so that its owner may end it from there.
struct Watch::Watched : std::enable_shared_from_this<Watch::Watched> {
    std::function<void(std::uint32_t)> ready;
    Source source;
};

Watch& Watch::operator=(Watch&& other) noexcept {
    if (this != &other) {
        reset();
        watched_ = std::move(other.watched_);
    }
    return *this;
}

void Watch::reset() {
    if (const auto watched = std::exchange(watched_, nullptr)) {
        watched->source.reset();
    }
}

class EventLoop::Impl {
 public:
    std::unique_ptr<sd_event, UnrefLoop> loop;
    FileDescriptor wake;
    Source wake_source;
    Source timer;
    Source terminate;
    Source interrupt;
    std::map<int, Source> sockets;
    std::vector<std::unique_ptr<Repeating>> repeating;
};

EventLoop::EventLoop(std::function<void()> on_stop) : on_stop_(std::move(on_stop)), impl_(std::make_unique<Impl>()) {}

EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::make(std::function<void()> on_stop) {
    std::unique_ptr<EventLoop> made(new EventLoop(std::move(on_stop)));
    Impl& impl = *made->impl_;
    const auto failed = [](const char* call, int code) {
        return fail(
            Error(ErrorCode::internal, std::string("cannot set up the event loop: ") + call, std::strerror(code)));
    };
    sd_event* loop = nullptr;
    if (const int code = sd_event_new(&loop); code < 0) {
        return failed("sd_event_new", -code);
    }
    impl.loop.reset(loop);
    impl.wake = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl.wake.valid()) {
        return failed("eventfd", errno);
    }
    const auto on_wake = [](sd_event_source*, int fd, std::uint32_t, void* self) {
        std::uint64_t count = 0;
        static_cast<void>(::read(fd, &count, sizeof count) > 0);  // EAGAIN: another wake-up has drained it
        static_cast<EventLoop*>(self)->run_posted();
        return 0;
    };
    sd_event_source* source = nullptr;
    if (const int code = sd_event_add_io(loop, &source, impl.wake.get(), EPOLLIN, on_wake, made.get()); code < 0) {
        return failed("sd_event_add_io", -code);
    }
    impl.wake_source.reset(source);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (const int code = pthread_sigmask(SIG_BLOCK, &signals, nullptr); code != 0) {
        return failed("pthread_sigmask", code);
    }
    const auto on_signal = [](sd_event_source*, const signalfd_siginfo*, void* self) {
        auto& stop = static_cast<EventLoop*>(self)->on_stop_;
        if (stop) {
            std::exchange(stop, nullptr)();
        }
        return 0;
    };
    for (const auto& [number, slot] : {std::pair(SIGTERM, &impl.terminate), std::pair(SIGINT, &impl.interrupt)}) {
        if (const int code = sd_event_add_signal(loop, &source, number, on_signal, made.get()); code < 0) {
            return failed("sd_event_add_signal", -code);
        }
        slot->reset(source);
    }
    return made;
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
    static_cast<void>(::write(impl_->wake.get(), &one, sizeof one) > 0);
}

void EventLoop::every(std::chrono::milliseconds interval, std::function<void()> task) {
    auto repeating = std::make_unique<Repeating>();
    repeating->interval_us = static_cast<std::uint64_t>(interval.count()) * 1000;
    repeating->task = std::move(task);
    sd_event_source* source = nullptr;
    if (sd_event_add_time_relative(impl_->loop.get(), &source, CLOCK_MONOTONIC, repeating->interval_us,
                                   timer_accuracy_us, on_repeat, repeating.get()) >= 0) {
        repeating->source.reset(source);
        impl_->repeating.push_back(std::move(repeating));
    }
}

Watch EventLoop::watch_fd(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready) {
    auto watched = std::make_shared<Watch::Watched>();
    watched->ready = std::move(ready);
    const auto on_io = [](sd_event_source*, int, std::uint32_t revents, void* data) {
        const auto alive = static_cast<Watch::Watched*>(data)->shared_from_this();
        alive->ready(revents);
        return 0;
    };
    sd_event_source* source = nullptr;
    if (sd_event_add_io(impl_->loop.get(), &source, fd, events, on_io, watched.get()) < 0) {
        return {};
    }
    watched->source.reset(source);
    return Watch(std::move(watched));
}

Watch EventLoop::after(std::chrono::milliseconds delay, std::function<void()> task) {
    auto watched = std::make_shared<Watch::Watched>();
    watched->ready = [task = std::move(task)](std::uint32_t) { task(); };
    const auto on_time = [](sd_event_source*, std::uint64_t, void* data) {
        const auto alive = static_cast<Watch::Watched*>(data)->shared_from_this();
        alive->ready(0);
        return 0;
    };
    sd_event_source* source = nullptr;
    const auto delay_us = static_cast<std::uint64_t>(std::max<std::int64_t>(delay.count(), 0)) * 1000;
    if (sd_event_add_time_relative(impl_->loop.get(), &source, CLOCK_MONOTONIC, delay_us, timer_accuracy_us, on_time,
                                   watched.get()) < 0) {
        return {};
    }
    watched->source.reset(source);
    return Watch(std::move(watched));
}

Status EventLoop::run() {
    while (!std::exchange(stopped_, false)) {
        if (const int code = sd_event_run(impl_->loop.get(), UINT64_MAX); code < 0) {
            return fail(Error(ErrorCode::internal, "the event loop failed", std::strerror(-code)));
        }
    }
    return {};
}

void EventLoop::stop() {
    stopped_ = true;
}

void EventLoop::watch(int fd, bool readable, bool writable) {
    auto& sockets = impl_->sockets;
    // Always a new source: curl may have closed the descriptor and been given the same number again.
    sockets.erase(fd);
    if (!readable && !writable) {
        return;
    }
    const auto events = (readable ? std::uint32_t{EPOLLIN} : 0U) | (writable ? std::uint32_t{EPOLLOUT} : 0U);
    const auto on_io = [](sd_event_source*, int ready, std::uint32_t revents, void* self) {
        const auto& tell = static_cast<EventLoop*>(self)->on_socket_;
        const bool broken = (revents & (EPOLLERR | EPOLLHUP)) != 0;
        if (tell) {
            tell(ready, broken || (revents & EPOLLIN) != 0, broken || (revents & EPOLLOUT) != 0);
        }
        return 0;
    };
    sd_event_source* source = nullptr;
    if (sd_event_add_io(impl_->loop.get(), &source, fd, events, on_io, this) >= 0) {
        sockets[fd].reset(source);
    }
}

void EventLoop::set_timer(std::optional<std::chrono::milliseconds> delay) {
    impl_->timer.reset();
    if (!delay) {
        return;
    }
    const auto on_time = [](sd_event_source*, std::uint64_t, void* self) {
        if (const auto& tell = static_cast<EventLoop*>(self)->on_timer_) {
            tell();
        }
        return 0;
    };
    sd_event_source* source = nullptr;
    if (sd_event_add_time_relative(impl_->loop.get(), &source, CLOCK_MONOTONIC,
                                   static_cast<std::uint64_t>(delay->count()) * 1000, timer_accuracy_us, on_time,
                                   this) >= 0) {
        impl_->timer.reset(source);
    }
}

}  // namespace hwenroll::runtime
