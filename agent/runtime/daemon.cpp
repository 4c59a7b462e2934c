#include "agent/runtime/daemon.h"

#include <csignal>
#include <ctime>
#include <filesystem>
#include <limits>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/control/server.h"
#include "agent/observe/log_ids.h"
#include "agent/observe/status_words.h"
#include "agent/runtime/agent_service.h"
#include "agent/runtime/alert_command.h"
#include "agent/runtime/loop_reactor.h"
#include "agent/runtime/machine.h"
#include "agent/runtime/start_record.h"
#include "agent/runtime/supervisor.h"
#include "base/failpoint.h"

namespace hwenroll::runtime {
namespace {

/// A descriptor that becomes readable for SIGHUP. Made before any thread is, since they inherit the mask.
Result<FileDescriptor> hangup_descriptor() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) {
        return fail(ErrorCode::internal, "cannot block SIGHUP");
    }
    FileDescriptor descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!descriptor.valid()) {
        return fail(ErrorCode::internal, "cannot watch for SIGHUP");
    }
    return descriptor;
}

/// A descriptor that becomes readable when the wall clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
FileDescriptor clock_set_descriptor() {
    return FileDescriptor(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
}

void arm_clock_set(const FileDescriptor& descriptor) {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
    ::timerfd_settime(descriptor.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
}

std::string monotonic_usec() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
}

/// All parts of a running service; members end in reverse order.
class Service {
 public:
    Service(config::ConfigurationPaths paths, std::string version, std::unique_ptr<EventLoop> loop, store::Store store,
            FileDescriptor hangup, StartRecord starts, const Clock& clock, observe::Log& log,
            const keystore::WorkerProgram& worker)
        : paths_(std::move(paths)),
          version_(std::move(version)),
          loop_(std::move(loop)),
          store_(std::move(store)),
          hangup_(std::move(hangup)),
          starts_(std::move(starts)),
          clock_set_(clock_set_descriptor()),
          clock_(clock),
          log_(log),
          reactor_(*loop_),
          agent_(*loop_, store_, clock, log, worker,
                 {[this](const std::string& identity, const IdentityNews& news) { on_news(identity, news); },
                  [this](const std::string& identity, const std::optional<Error>& outcome) {
                      on_settled(identity, outcome);
                  },
                  [this] { on_quiet(); },
                  [this](const std::string& authority, const std::string& text) {
                      alert(observe::authority_alert(authority, text));
                  }}),
          service_(*loop_, agent_, store_, clock, version_) {}

    Status begin(config::Configuration configuration) {
        crashes_ = starts_.begin();
        const Status ours = check_machine(store_);
        if (!ours && ours.error().code() == ErrorCode::state_machine) {
            rest(ours.error());
        } else if (crashes_ >= crashes_before_rest) {
            rest(Error(ErrorCode::agent_crashes, fmt::format("the agent has crashed {} times in a row", crashes_)));
            wake_later();
        } else {
            prove();
        }
        adopt(std::move(configuration));
        if (!ours && !rest_) {
            alert(ours.error(), {});  // a state that cannot be read now is looked at again by each identity
        }
        if (const Status listening = listen(); !listening) {
            // Nobody can ask, but certificates are renewed all the same.
            alert(listening.error(), {});
        }
        hangup_watch_ = loop_->watch_fd(hangup_.get(), EPOLLIN, [this](std::uint32_t) { on_hangup(); });
        if (clock_set_.valid()) {
            arm_clock_set(clock_set_);
            clock_watch_ = loop_->watch_fd(clock_set_.get(), EPOLLIN, [this](std::uint32_t) { on_clock_set(); });
        }
        feed_watchdog();
        tell_supervisor("READY=1");
        failpoint("daemon-ready");
        return {};
    }

    Status run() { return loop_->run(); }

    void end() {
        tell_supervisor("STOPPING=1\nSTATUS=stopping");
        server_.reset();
        agent_.interrupt(login_patience);
        starts_.clear();
    }

 private:
    Status listen() {
#ifdef HWENROLL_CONTROL
        std::error_code failure;
        std::filesystem::create_directories(configuration_.agent.runtime_dir, failure);
        control::ServerOptions options;
        options.runtime_dir = configuration_.agent.runtime_dir;
        options.admin_group = configuration_.agent.admin_group;
        options.version = version_;
        auto server = control::Server::listen(std::move(options), reactor_, service_, peers_,
                                              [this](const observe::LogRecord& record) { log_.write(record); });
        if (!server) {
            return fail(server.error());
        }
        server_ = *std::move(server);
#endif
        return {};
    }

    void adopt(config::Configuration configuration) {
        // Alerts that wait outlive a reload, unless they have nowhere to go any more.
        if (!alerts_ || configuration.agent.on_alert != configuration_.agent.on_alert) {
            alerts_ = std::make_unique<AlertCommand>(*loop_, configuration.agent.on_alert,
                                                     [this](const Error& error) { log_.write(error, {}); });
        }
        configuration_ = std::move(configuration);
        service_.adopt(configuration_);
        identities_ = configuration_.identities.size();
        for (const config::Finding& finding : configuration_.findings) {
            alert(finding.error, finding.part == config::Part::identity ? finding.name : std::string());
        }
        if (rest_) {
            remind();
        } else {
            hand_over();
        }
        notify_status();
    }

    /// Tells people: a record of the journal that can be searched for, and their program (invariant 11).
    void alert(const std::string& identity, const std::string& text, const std::string& code) {
        observe::LogRecord record{observe::Level::error, text, identity, {}, code, observe::alert_message_id};
        record.alert = true;
        alert(record);
    }
    void alert(const observe::LogRecord& record) {
        log_.write(record);
        alerts_->raise({record.identity, record.text});
    }
    void alert(const Error& error, const std::string& identity) {
        alert(identity, error.line(), std::string(error.info().name));
    }

    /// S16, X18: people may ask, and nothing is touched.
    void rest(const Error& why) {
        rest_ = why;
        service_.rest(rest_, [this] { return wake(); });
    }

    /// Invariant 11: no identity alerts meanwhile, near its end or not.
    void remind() {
        alert(*rest_, {});
        reminded_at_ = clock_.now();
        remind_later();
    }
    void remind_later() {
        reminder_ = loop_->after(clock_.sleep_for(rest_reminder), [this] {
            const TimePoint now = clock_.now();
            if (!rest_) {
                return;
            }
            now < reminded_at_ || now >= reminded_at_ + rest_reminder ? remind() : remind_later();
        });
    }

    /// An operator's word, or time, ends the rest.
    Status wake() {
        if (!rest_) {
            return {};
        }
        if (const auto accepted = accept_machine(store_); !accepted) {
            return fail(accepted.error());
        }
        rest_.reset();
        service_.rest({}, {});
        log_.write({observe::Level::notice, "the agent works again"});
        prove();
        hand_over();
        notify_status();
        return {};
    }

    /// Tries it until it works, as long as the state lets it.
    void wake_later() {
        proof_ = loop_->after(rest_after_crashes, [this] {
            if (!wake()) {
                wake_later();
            }
        });
    }

    /// The agent has its own identities: of thousands a second copy, and what reading them left behind, is much.
    void hand_over() {
        agent_.adopt(configuration_);
        configuration_.identities.clear();
        configuration_.origins = {};
        ::malloc_trim(0);
        trimmed_ = false;
    }

    /// What beginning with thousands of identities left behind is given back once.
    void on_quiet() {
        if (!std::exchange(trimmed_, true)) {
            ::malloc_trim(0);
        }
    }

    /// Lives it for this long, what ends it later is not what ended it before.
    void prove() {
        proof_ = loop_->after(time_to_prove_itself, [this] { starts_.clear(); });
    }

    /// Why this cannot be taken up; empty: it can.
    [[nodiscard]] std::string obstacle_to(const Result<config::Configuration>& configuration) const {
        constexpr const char* refused = "the new configuration is not in force: ";
        if (!configuration) {
            return refused + configuration.error().line();
        }
        const bool moves = configuration->agent.state_dir != configuration_.agent.state_dir ||
                           configuration->agent.runtime_dir != configuration_.agent.runtime_dir;
        return moves ? std::string(refused) + "state_dir and runtime_dir change by a restart only" : std::string();
    }

    /// What was refused may have been corrected or put back since (X14). Readers may ask often: the same text is judged
    /// once a second, since what it names may have changed.
    std::string judge_again() {
        const auto asked_at = std::chrono::steady_clock::now();
        auto digest = config::digest_of(paths_);
        if (digest && *digest == judged_digest_ && asked_at < judged_at_ + std::chrono::seconds(1)) {
            return last_reload_;
        }
        judged_at_ = asked_at;
        judged_digest_ = digest ? *std::move(digest) : Bytes();
        std::string now = obstacle_to(config::load(paths_));
        if (now != last_reload_) {
            last_reload_ = now;
            notify_status();
        }
        return now;
    }

    void on_hangup() {
        signalfd_siginfo info{};
        while (::read(hangup_.get(), &info, sizeof info) > 0) {
        }
        tell_supervisor("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec());
        auto configuration = config::load(paths_);
        last_reload_ = obstacle_to(configuration);
        if (!configuration) {
            alert(configuration.error(), {});
        } else if (!last_reload_.empty()) {
            log_.write({observe::Level::error, last_reload_});
        } else {
            if (rest_ && rest_->code() == ErrorCode::agent_crashes) {
                rest_.reset();
                service_.rest({}, {});
                prove();
            }
            log_.write({observe::Level::info, "the configuration was read again"});
            adopt(*std::move(configuration));
        }
        if (last_reload_.empty()) {
            service_.refuse_reload({});
        } else {
            service_.refuse_reload([this] { return judge_again(); });
        }
        tell_supervisor("READY=1");
        notify_status();
    }

    void on_clock_set() {
        std::uint64_t count = 0;
        static_cast<void>(::read(clock_set_.get(), &count, sizeof count) > 0);  // ECANCELED: that is the news
        arm_clock_set(clock_set_);
        log_.write({observe::Level::info, "the clock was set"});
        agent_.tick(true);
    }

    /// The watchdog is fed where work is begun: a loop that turns without that is dead too.
    void feed_watchdog() {
        const auto patience = watchdog_patience();
        if (!patience) {
            return;
        }
        const auto third = std::chrono::duration_cast<std::chrono::milliseconds>(*patience / 3);
        loop_->every(std::max(third, std::chrono::milliseconds(1)), [this] {
            agent_.tick();
            tell_supervisor("WATCHDOG=1");
        });
    }

    void on_news(const std::string& identity, const IdentityNews& news) {
        if (news.alert) {
            alert(news.record);
        } else if (news.failure) {
            log_.write(news.record);
        }
        service_.tell(identity, news.text, news.failure);
    }

    void on_settled(const std::string& identity, const std::optional<Error>& outcome) {
        failpoint("settled");
        loop_->post(
            [this, identity, outcome] { service_.tell(identity, outcome ? outcome->line() : std::string(), outcome); });
        // Once for all that settle in one turn of the loop.
        if (!std::exchange(status_posted_, true)) {
            loop_->post([this] {
                status_posted_ = false;
                notify_status();
            });
        }
    }

    void notify_status() {
        std::string text = fmt::format("{} identities, {} disabled, {} under way", identities_,
                                       configuration_.findings.size(), agent_.busy());
        if (rest_) {
            text += "; resting: " + rest_->line();
        }
        if (!last_reload_.empty()) {
            text += "; " + last_reload_;
        }
        if (text != status_) {
            status_ = text;
            tell_supervisor("STATUS=" + text);
        }
    }

    config::ConfigurationPaths paths_;
    std::string version_;
    std::unique_ptr<EventLoop> loop_;
    store::Store store_;
    FileDescriptor hangup_;
    StartRecord starts_;
    unsigned crashes_ = 0;
    std::optional<Error> rest_;  ///< why nothing is touched
    FileDescriptor clock_set_;
    const Clock& clock_;
    observe::Log& log_;
    config::Configuration configuration_;
    std::string last_reload_;
    std::chrono::steady_clock::time_point judged_at_;  ///< when `last_reload_` was judged again
    Bytes judged_digest_;
    std::size_t identities_ = 0;
    std::string status_;
    bool status_posted_ = false;
    bool trimmed_ = false;  ///< since the agent took the configuration up
    LoopReactor reactor_;
    control::KernelPeers peers_;
    std::unique_ptr<AlertCommand> alerts_;
    Agent agent_;
    AgentService service_;
    std::unique_ptr<control::Server> server_;
    Watch hangup_watch_;
    Watch clock_watch_;
    Watch proof_;
    Watch reminder_;
    TimePoint reminded_at_;
};

int refused(observe::Log& log, const Error& error) {
    log.write(Error(error).about("agent"), {});
    return error.info().exit_code;
}

}  // namespace

int run_daemon(const config::ConfigurationPaths& paths, const std::string& version,
               const keystore::WorkerProgram& worker, const Clock& clock, observe::Log& log) {
    auto configuration = config::load(paths);
    if (!configuration) {
        return refused(log, configuration.error());
    }
    auto hangup = hangup_descriptor();
    if (!hangup) {
        return refused(log, hangup.error());
    }
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return refused(log, loop.error());
    }
    stopping = loop->get();
    store::HistoryLimits history;
    history.keep = configuration->agent.history_keep;
    auto store = store::Store::open(configuration->agent.state_dir, history);
    if (!store) {
        return refused(log, store.error());
    }
    // Services of systemd are for the one that lives on: `--once` has children only (design, "Programs").
    keystore::WorkerProgram workers = worker;
    workers.services = configuration->agent.runtime_dir / "token";
    Service service(paths, version, *std::move(loop), *std::move(store), *std::move(hangup),
                    StartRecord(configuration->agent.runtime_dir), clock, log, workers);
    if (const Status begun = service.begin(*std::move(configuration)); !begun) {
        return refused(log, begun.error());
    }
    const Status ran = service.run();
    service.end();
    return ran ? 0 : refused(log, ran.error());
}

}  // namespace hwenroll::runtime
