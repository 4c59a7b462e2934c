#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <sys/epoll.h>
#include <utility>

#include "agent/runtime/event_sources.h"
#include "base/file_descriptor.h"

namespace hwenroll::runtime {
namespace {

using std::chrono::steady_clock;

/// What a source is known by, in epoll and in the maps below. Never used again, so that nothing is told to a later
/// source that has the same descriptor.
using Number = std::uint64_t;

class EpollSource;

/// Shared with the sources, which may outlive it.
struct Watching {
    FileDescriptor epoll;
    Number last = 0;
    std::map<Number, std::weak_ptr<EpollSource>> descriptors;
    std::map<std::pair<steady_clock::time_point, Number>, std::weak_ptr<EpollSource>> delays;
};

class EpollSource final : public EventSource {
 public:
    EpollSource(const std::shared_ptr<Watching>& watching, std::function<void(std::uint32_t)> ready)
        : watching_(watching), number_(++watching->last), ready_(std::move(ready)) {}

    ~EpollSource() override { remove(); }

    void end() override { remove(); }

    [[nodiscard]] Number number() const { return number_; }

    void watches(int fd) { fd_ = fd; }

    void is_due(steady_clock::time_point at) { due_ = at; }

    void call(std::uint32_t events) { ready_(events); }

 private:
    void remove() {
        const auto watching = watching_.lock();
        watching_.reset();
        if (!watching) {
            return;
        }
        if (fd_) {
            // EBADF: its owner has closed it.
            ::epoll_ctl(watching->epoll.get(), EPOLL_CTL_DEL, *fd_, nullptr);
            watching->descriptors.erase(number_);
        }
        if (due_) {
            watching->delays.erase({*due_, number_});
        }
    }

    std::weak_ptr<Watching> watching_;
    Number number_;
    std::function<void(std::uint32_t)> ready_;
    std::optional<int> fd_;
    std::optional<steady_clock::time_point> due_;
};

class EpollSources final : public EventSources {
 public:
    explicit EpollSources(FileDescriptor epoll) { watching_->epoll = std::move(epoll); }

    std::shared_ptr<EventSource> add_descriptor(int fd, std::uint32_t events,
                                                std::function<void(std::uint32_t)> ready) override {
        auto made = std::make_shared<EpollSource>(watching_, std::move(ready));
        epoll_event wanted{};
        wanted.events = events;
        wanted.data.u64 = made->number();
        if (::epoll_ctl(watching_->epoll.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) {
            return nullptr;
        }
        made->watches(fd);
        watching_->descriptors.emplace(made->number(), made);
        return made;
    }

    std::shared_ptr<EventSource> add_delay(std::chrono::microseconds delay, std::function<void()> task) override {
        auto made = std::make_shared<EpollSource>(watching_, [task = std::move(task)](std::uint32_t) { task(); });
        const auto now = steady_clock::now();
        // As good as never, and no overflow.
        const auto at = delay < steady_clock::time_point::max() - now ? now + delay : steady_clock::time_point::max();
        made->is_due(at);
        watching_->delays.emplace(std::pair(at, made->number()), made);
        return made;
    }

    int dispatch_one() override {
        while (true) {
            const bool due =
                !watching_->delays.empty() && watching_->delays.begin()->first.first <= steady_clock::now();
            if (due && delays_turn_) {
                return call_delay();
            }
            epoll_event event{};
            // One at a time: what is ready is asked anew for each call, and epoll takes descriptors in turns.
            const int ready = ::epoll_wait(watching_->epoll.get(), &event, 1, due ? 0 : milliseconds_to_next());
            if (ready < 0 && errno != EINTR) {
                return errno;
            }
            if (ready > 0) {
                delays_turn_ = true;
                return call_descriptor(event.data.u64, event.events);
            }
            if (due) {
                return call_delay();
            }
        }
    }

 private:
    int call_delay() {
        delays_turn_ = false;
        const auto first = watching_->delays.begin();
        const auto source = first->second.lock();
        watching_->delays.erase(first);
        if (source) {
            source->call(0);
        }
        return 0;
    }

    int call_descriptor(Number number, std::uint32_t events) {
        const auto found = watching_->descriptors.find(number);
        if (const auto source = found != watching_->descriptors.end() ? found->second.lock() : nullptr) {
            source->call(events);
        }
        return 0;
    }

    /// For epoll_wait(2): never early.
    [[nodiscard]] int milliseconds_to_next() const {
        if (watching_->delays.empty()) {
            return -1;
        }
        const auto left = watching_->delays.begin()->first.first - steady_clock::now();
        const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        return static_cast<int>(std::clamp<std::int64_t>(rounded, 0, std::numeric_limits<int>::max()));
    }

    std::shared_ptr<Watching> watching_ = std::make_shared<Watching>();
    bool delays_turn_ = false;
};

}  // namespace

Result<std::unique_ptr<EventSources>> epoll_event_sources() {
    FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) {
        return fail(Error(ErrorCode::internal, "cannot set up the event loop: epoll_create1", std::strerror(errno)));
    }
    return std::make_unique<EpollSources>(std::move(epoll));
}

}  // namespace hwenroll::runtime
