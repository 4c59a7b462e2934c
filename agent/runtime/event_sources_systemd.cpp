#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include <systemd/sd-event.h>

#include "agent/runtime/event_sources.h"

namespace hwenroll::runtime {
namespace {

constexpr std::uint64_t timer_accuracy_us = 1000;

struct UnrefSource {
    void operator()(sd_event_source* source) const noexcept { sd_event_source_disable_unref(source); }
};

struct UnrefLoop {
    void operator()(sd_event* loop) const noexcept { sd_event_unref(loop); }
};

/// sd-event's callbacks keep it alive while they run.
class SystemdSource final : public EventSource, public std::enable_shared_from_this<SystemdSource> {
 public:
    explicit SystemdSource(std::function<void(std::uint32_t)> ready) : ready_(std::move(ready)) {}

    void end() override { source_.reset(); }

    static int on_descriptor(sd_event_source*, int, std::uint32_t events, void* self) {
        const auto alive = static_cast<SystemdSource*>(self)->shared_from_this();
        alive->ready_(events);
        return 0;
    }

    static int on_delay(sd_event_source*, std::uint64_t, void* self) {
        const auto alive = static_cast<SystemdSource*>(self)->shared_from_this();
        alive->ready_(0);
        return 0;
    }

    void own(sd_event_source* source) { source_.reset(source); }

 private:
    std::function<void(std::uint32_t)> ready_;
    std::unique_ptr<sd_event_source, UnrefSource> source_;
};

class SystemdSources final : public EventSources {
 public:
    explicit SystemdSources(sd_event* loop) : loop_(loop) {}

    std::shared_ptr<EventSource> add_descriptor(int fd, std::uint32_t events,
                                                std::function<void(std::uint32_t)> ready) override {
        auto made = std::make_shared<SystemdSource>(std::move(ready));
        sd_event_source* source = nullptr;
        if (sd_event_add_io(loop_.get(), &source, fd, events, SystemdSource::on_descriptor, made.get()) < 0) {
            return nullptr;
        }
        made->own(source);
        return made;
    }

    std::shared_ptr<EventSource> add_delay(std::chrono::microseconds delay, std::function<void()> task) override {
        auto made = std::make_shared<SystemdSource>([task = std::move(task)](std::uint32_t) { task(); });
        sd_event_source* source = nullptr;
        if (sd_event_add_time_relative(loop_.get(), &source, CLOCK_MONOTONIC, static_cast<std::uint64_t>(delay.count()),
                                       timer_accuracy_us, SystemdSource::on_delay, made.get()) < 0) {
            return nullptr;
        }
        made->own(source);
        return made;
    }

    int dispatch_one() override {
        const int code = sd_event_run(loop_.get(), UINT64_MAX);
        return code < 0 ? -code : 0;
    }

 private:
    std::unique_ptr<sd_event, UnrefLoop> loop_;
};

}  // namespace

Result<std::unique_ptr<EventSources>> systemd_event_sources() {
    sd_event* loop = nullptr;
    if (const int code = sd_event_new(&loop); code < 0) {
        return fail(Error(ErrorCode::internal, "cannot set up the event loop: sd_event_new", std::strerror(-code)));
    }
    return std::make_unique<SystemdSources>(loop);
}

}  // namespace hwenroll::runtime
