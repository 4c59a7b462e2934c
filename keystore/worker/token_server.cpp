#include "keystore/worker/token_server.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "keystore/worker/token_channel.h"
#include "keystore/worker/worker_process.h"

namespace hwenroll::keystore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How much later than the deadline the timer kills, should the watching thread not get to it.
constexpr milliseconds watchdog_delay{100};

/// How long the token may take to end after the agent has gone.
constexpr milliseconds farewell{1500};

/// Kills the process after `delay` unless it is called again; zero disarms. A module may have taken SIGALRM for itself,
/// so its default is restored each time.
void arm_watchdog(milliseconds delay) {
    std::signal(SIGALRM, SIG_DFL);
    itimerval timer{};
    timer.it_value.tv_sec = static_cast<time_t>(delay.count() / 1000);
    timer.it_value.tv_usec = static_cast<suseconds_t>(delay.count() % 1000 * 1000);
    setitimer(ITIMER_REAL, &timer, nullptr);
}

/// The body that carries a Result: its value, or its Error.
template <class T>
ResponseBody body_of(Result<T> result) {
    if (!result) {
        return std::move(result.error());
    }
    return ResponseBody(std::in_place_type<T>, std::move(*result));
}

ResponseBody body_of(Status status) {
    return status ? ResponseBody(Done{}) : ResponseBody(std::move(status.error()));
}

/// Calls the Token for each kind of request.
struct Dispatch {
    Token& token;

    ResponseBody operator()(const DescribeRequest&) const { return body_of(token.describe()); }
    ResponseBody operator()(const PrepareLoginRequest&) const { return body_of(token.prepare_login()); }
    ResponseBody operator()(const LoginRequest& is) const { return token.login(is.history); }
    ResponseBody operator()(const ListKeysRequest&) const { return body_of(token.list_keys()); }
    ResponseBody operator()(const GenerateRequest& is) const {
        return body_of(token.generate(is.spec, is.id, is.label));
    }
    ResponseBody operator()(const FindRequest& is) const { return body_of(token.find(is.id)); }
    ResponseBody operator()(const SignRequest& is) const { return body_of(token.sign(is.key, is.mechanism, is.input)); }
    ResponseBody operator()(const DecryptRequest& is) const {
        return body_of(token.decrypt(is.key, is.mechanism, is.ciphertext));
    }
    ResponseBody operator()(const DestroyRequest& is) const { return body_of(token.destroy(is.id)); }
    template <class Other>
    ResponseBody operator()(const Other&) const {
        return Error(ErrorCode::token_protocol, "the token worker cannot serve a request", "it came out of turn");
    }
};

}  // namespace

TokenServer::TokenServer(int socket, TokenBackend backend)
    : socket_(socket), backend_(std::move(backend)), answered_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

TokenServer::~TokenServer() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
}

int TokenServer::serve() {
    if (!answered_.valid()) {
        return EXIT_FAILURE;
    }
    thread_ = std::thread([this] { run_token_thread(); });
    for (;;) {
        // The agent's silence between two requests has no deadline: an idle worker costs nothing and ends with it.
        const Received received = receive_message(socket_, steady_clock::time_point::max());
        if (received.transfer == Transfer::closed) {
            break;
        }
        auto request = received.transfer == Transfer::done ? decode_request(received.message.reveal())
                                                           : fail(ErrorCode::token_protocol, "no message");
        if (!request) {
            _exit(worker_exit_protocol);
        }
        const auto deadline = steady_clock::now() + request->deadline;
        arm_watchdog(request->deadline + watchdog_delay);
        give(std::move(request->body));
        switch (wait_for_answer(deadline)) {
            case Waited::late:
                _exit(worker_exit_deadline);
            case Waited::agent_gone:
                _exit(EXIT_SUCCESS);
            case Waited::answered:
                break;
        }
        const std::lock_guard lock(mutex_);
        const Response response{request->sequence, std::move(*response_)};
        response_.reset();
        if (send_message(socket_, encode(response).reveal(), deadline) != Transfer::done) {
            _exit(worker_exit_protocol);
        }
        arm_watchdog(milliseconds(0));
    }
    arm_watchdog(farewell);
    return EXIT_SUCCESS;
}

void TokenServer::give(RequestBody body) {
    {
        const std::lock_guard lock(mutex_);
        request_ = std::move(body);
    }
    wake_.notify_one();
}

TokenServer::Waited TokenServer::wait_for_answer(steady_clock::time_point deadline) {
    for (;;) {
        // Any event on the socket ends the wait: the agent sends nothing before it has its answer.
        std::array<pollfd, 2> events{{{answered_.get(), POLLIN, 0}, {socket_, POLLIN | POLLRDHUP, 0}}};
        const int found = poll(events.data(), events.size(), poll_timeout(deadline));
        if (found == 0 && poll_timeout(deadline) == 0) {
            return Waited::late;
        }
        if (found > 0 && events[0].revents != 0) {
            std::uint64_t count = 0;
            return read(answered_.get(), &count, sizeof count) > 0 ? Waited::answered : Waited::agent_gone;
        }
        if (found > 0) {
            return Waited::agent_gone;
        }
    }
}

void TokenServer::run_token_thread() {
    for (;;) {
        std::optional<RequestBody> request;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stop_ || request_.has_value(); });
            if (stop_) {
                break;
            }
            request = std::exchange(request_, std::nullopt);
        }
        ResponseBody body = answer(std::move(*request));
        {
            const std::lock_guard lock(mutex_);
            response_ = std::move(body);
        }
        const std::uint64_t one = 1;
        if (write(answered_.get(), &one, sizeof one) < 0) {
            _exit(EXIT_FAILURE);
        }
    }
    // Vendor code is left on the thread that entered it.
    token_.reset();
}

ResponseBody TokenServer::answer(RequestBody body) {
    if (const auto* request = std::get_if<ListTokensRequest>(&body)) {
        return body_of(backend_.list(request->module));
    }
    if (const auto* request = std::get_if<ConfigureRequest>(&body); request != nullptr && !token_) {
        auto token = backend_.open(request->options);
        if (!token) {
            return std::move(token.error());
        }
        token_ = std::move(*token);
        return Done{};
    }
    if (!token_) {
        return Error(ErrorCode::token_protocol, "the token worker cannot serve a request", "it was not configured");
    }
    return std::visit(Dispatch{*token_}, body);
}

}  // namespace hwenroll::keystore
