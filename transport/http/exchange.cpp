#include "transport/http/exchange.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "transport/http/curl_ptr.h"
#include "transport/http/transfer.h"

namespace hwenroll::http {
namespace {

bool libcurl_ready() {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return ready;
}

/// Between two exchanges of one errand. An agent that rests for months has no use for more.
constexpr long kept_connections = 1;

/// libcurl 7.88 prepares the connection to a name's next address, once the one before was refused or swallowed, but
/// makes it only when it is called again, for which it arranges neither socket nor timer. An exchange without a socket
/// is looked at this often.
constexpr long stall_check_ms = 100;

}  // namespace

class Client::Impl {
 public:
    Impl(Reactor& reactor, std::string user_agent);
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl();

    ExchangeId start(Request request, std::function<void(Result<Response>)> done);
    void cancel(ExchangeId id);
    void act(curl_socket_t fd, int events);

 private:
    struct Exchange {
        std::function<void(Result<Response>)> done;
        std::unique_ptr<Transfer> transfer;       ///< absent when the request was refused before it ran
        std::optional<Result<Response>> outcome;  ///< set when it is over
    };
    using Exchanges = std::map<ExchangeId, Exchange>;

    static int on_socket_change(CURL* easy, curl_socket_t fd, int events, void* self, void* socket);
    bool run(const Transfer& transfer);
    void collect();
    void end_hop(Exchanges::iterator exchange, CURLcode verdict);
    void finish(Exchanges::iterator exchange, Result<Response> outcome);
    void deliver();
    void arm_timer();
    [[nodiscard]] bool is_stalled(const Exchange& exchange) const;
    void nudge_stalled();

    Reactor& reactor_;
    std::string user_agent_;
    std::map<curl_socket_t, CURL*> watched_;  ///< before multi_, whose end may take sockets off it
    MultiPtr multi_;
    Exchanges exchanges_;
    std::deque<ExchangeId> finished_;  ///< whose `done` is due; ids of cancelled ones may be among them
    ExchangeId last_id_ = 0;
};

Client::Impl::Impl(Reactor& reactor, std::string user_agent)
    : reactor_(reactor), user_agent_(std::move(user_agent)), multi_(libcurl_ready() ? curl_multi_init() : nullptr) {
    if (multi_ != nullptr) {
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &Impl::on_socket_change);
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kept_connections);
    }
}

Client::Impl::~Impl() {
    for (const auto& [id, exchange] : exchanges_) {
        if (exchange.transfer != nullptr) {
            curl_multi_remove_handle(multi_.get(), exchange.transfer->handle());
        }
    }
    exchanges_.clear();
    reactor_.set_timer(std::nullopt);
}

int Client::Impl::on_socket_change(CURL* easy, curl_socket_t fd, int events, void* self, void* /*socket*/) {
    const bool forget = events == CURL_POLL_REMOVE;
    if (forget) {
        static_cast<Impl*>(self)->watched_.erase(fd);
    } else {
        static_cast<Impl*>(self)->watched_[fd] = easy;
    }
    const auto wants = [&](int direction) {
        return !forget && (static_cast<unsigned>(events) & static_cast<unsigned>(direction)) != 0;
    };
    static_cast<Impl*>(self)->reactor_.watch(fd, wants(CURL_POLL_IN), wants(CURL_POLL_OUT));
    return 0;
}

ExchangeId Client::Impl::start(Request request, std::function<void(Result<Response>)> done) {
    const ExchangeId id = ++last_id_;
    const auto exchange = exchanges_.emplace(id, Exchange{std::move(done), nullptr, std::nullopt}).first;
    auto transfer = Transfer::make(std::move(request), user_agent_);
    if (!transfer) {
        finish(exchange, fail(std::move(transfer.error())));
    } else if (!run(**transfer)) {
        finish(exchange, fail(ErrorCode::internal, "an HTTP exchange cannot be started", curl_version()));
    } else {
        exchange->second.transfer = std::move(*transfer);
    }
    arm_timer();
    return id;
}

bool Client::Impl::run(const Transfer& transfer) {
    return multi_ != nullptr && curl_multi_add_handle(multi_.get(), transfer.handle()) == CURLM_OK;
}

void Client::Impl::cancel(ExchangeId id) {
    const auto exchange = exchanges_.find(id);
    if (exchange == exchanges_.end()) {
        return;
    }
    if (exchange->second.transfer != nullptr) {
        curl_multi_remove_handle(multi_.get(), exchange->second.transfer->handle());
    }
    exchanges_.erase(exchange);
    arm_timer();
}

void Client::Impl::act(curl_socket_t fd, int events) {
    if (multi_ != nullptr) {
        int running = 0;
        if (fd == CURL_SOCKET_TIMEOUT) {
            nudge_stalled();
        }
        curl_multi_socket_action(multi_.get(), fd, events, &running);
        collect();
    }
    deliver();
    arm_timer();
}

void Client::Impl::collect() {
    int queued = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &queued)) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURL* const easy = message->easy_handle;
        const CURLcode verdict = message->data.result;
        for (auto exchange = exchanges_.begin(); exchange != exchanges_.end(); ++exchange) {
            if (exchange->second.transfer != nullptr && exchange->second.transfer->handle() == easy) {
                end_hop(exchange, verdict);
                break;
            }
        }
    }
}

void Client::Impl::end_hop(Exchanges::iterator exchange, CURLcode verdict) {
    Transfer& transfer = *exchange->second.transfer;
    auto outcome = transfer.end_hop(verdict);
    curl_multi_remove_handle(multi_.get(), transfer.handle());
    if (!outcome && !run(transfer)) {
        outcome = fail(ErrorCode::internal, "an HTTP redirect cannot be followed", curl_version());
    }
    if (outcome) {
        finish(exchange, std::move(*outcome));
    }
}

void Client::Impl::finish(Exchanges::iterator exchange, Result<Response> outcome) {
    exchange->second.transfer.reset();
    exchange->second.outcome = std::move(outcome);
    finished_.push_back(exchange->first);
}

/// What a `done` starts may fail at once; that waits for the next turn, lest the loop never be given back.
void Client::Impl::deliver() {
    for (std::size_t due = finished_.size(); due > 0; --due) {
        const auto exchange = exchanges_.find(finished_.front());
        finished_.pop_front();
        if (exchange != exchanges_.end()) {
            Exchange over = std::move(exchange->second);
            exchanges_.erase(exchange);
            over.done(std::move(*over.outcome));
        }
    }
}

/// libcurl tells a timer callback only what has changed, so a timer that we spent on finished_ would be lost: it is
/// asked instead.
void Client::Impl::arm_timer() {
    long delay = -1;
    if (multi_ != nullptr) {
        curl_multi_timeout(multi_.get(), &delay);
    }
    for (const auto& [id, exchange] : exchanges_) {
        if (is_stalled(exchange)) {
            delay = delay < 0 ? stall_check_ms : std::min(delay, stall_check_ms);
        }
    }
    if (!finished_.empty()) {
        delay = 0;
    }
    reactor_.set_timer(delay < 0 ? std::nullopt : std::optional(std::chrono::milliseconds(delay)));
}

bool Client::Impl::is_stalled(const Exchange& exchange) const {
    return exchange.transfer != nullptr && std::ranges::none_of(watched_, [&](const auto& watch) {
               return watch.second == exchange.transfer->handle();
           });
}

/// The end of a pause makes libcurl look at a transfer at once. Without a connection in the making there is none to
/// pause, which it says and we need not know.
void Client::Impl::nudge_stalled() {
    for (const auto& [id, exchange] : exchanges_) {
        if (is_stalled(exchange)) {
            static_cast<void>(curl_easy_pause(exchange.transfer->handle(), CURLPAUSE_RECV));
            static_cast<void>(curl_easy_pause(exchange.transfer->handle(), CURLPAUSE_CONT));
        }
    }
}

Client::Client(Reactor& reactor, std::string user_agent)
    : impl_(std::make_unique<Impl>(reactor, std::move(user_agent))) {}

Client::~Client() = default;

ExchangeId Client::start(Request request, std::function<void(Result<Response>)> done) {
    return impl_->start(std::move(request), std::move(done));
}

void Client::cancel(ExchangeId id) {
    impl_->cancel(id);
}

void Client::on_socket(int fd, bool readable, bool writable) {
    impl_->act(fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
}

void Client::on_timer() {
    impl_->act(CURL_SOCKET_TIMEOUT, 0);
}

bool closed_without_reply(const Error& error) {
    return error.code() == ErrorCode::ca_closed;
}

}  // namespace hwenroll::http
