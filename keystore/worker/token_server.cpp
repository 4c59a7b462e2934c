#include "keystore/worker/token_server.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/failpoint.h"
#include "keystore/login_under_way.h"
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

/// How long a C_Login may go on after the agent has gone. SoftHSM2 needs some milliseconds and what a slow disk adds;
/// the agent kills a child 2 s after it has closed the connection (worker_process.cpp). ADR 0025.
constexpr milliseconds login_grace{1500};

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
    ResponseBody operator()(const SettleLoginRequest&) const {
        auto per_use = token.settle_login();
        return per_use ? ResponseBody(LoginSettlement{*per_use}) : ResponseBody(std::move(per_use.error()));
    }
    ResponseBody operator()(const ListKeysRequest&) const { return body_of(token.list_keys()); }
    ResponseBody operator()(const GenerateRequest& is) const {
        return body_of(token.generate(is.spec, is.id, is.label));
    }
    ResponseBody operator()(const FindRequest& is) const { return body_of(token.find(is.id)); }
    ResponseBody operator()(const LookUpRequest& is) const { return body_of(token.look_up(is.key)); }
    ResponseBody operator()(const SignRequest& is) const { return body_of(token.sign(is.key, is.mechanism, is.input)); }
    ResponseBody operator()(const DecryptRequest& is) const {
        return body_of(token.decrypt(is.key, is.mechanism, is.ciphertext));
    }
    ResponseBody operator()(const AgreeRequest& is) const { return body_of(token.agree(is.key, is.peer)); }
    ResponseBody operator()(const CertifyRequest& is) const { return body_of(token.certify(is.key, is.nonce)); }
    ResponseBody operator()(const DestroyRequest& is) const { return body_of(token.destroy(is.id)); }
    template <class Other>
    ResponseBody operator()(const Other&) const {
        return Error(ErrorCode::token_protocol, "the token worker cannot serve a request", "it came out of turn");
    }
};

}  // namespace

TokenServer::TokenServer(int socket, TokenBackend backend, int stop)
    : socket_(socket),
      backend_(std::move(backend)),
      stop_(stop),
      deadline_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      ended_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

int TokenServer::serve() {
    if (!deadline_.valid() || !ended_.valid()) {
        return EXIT_FAILURE;
    }
    std::thread token_thread([this] {
        serve_requests();
        // Vendor code is left on the thread that entered it.
        token_.reset();
        const std::uint64_t one = 1;
        if (write(ended_.get(), &one, sizeof one) < 0) {
            _exit(EXIT_FAILURE);
        }
    });
    watch();
    token_thread.join();
    return EXIT_SUCCESS;
}

void TokenServer::serve_requests() {
    for (;;) {
        // The agent's silence between two requests has no deadline: an idle worker costs nothing and ends with it.
        const Received received = receive_message(socket_, steady_clock::time_point::max());
        if (received.transfer == Transfer::closed) {
            return;
        }
        auto request = received.transfer == Transfer::done ? decode_request(received.message.reveal())
                                                           : fail(ErrorCode::token_protocol, "no message");
        if (!request) {
            _exit(worker_exit_protocol);
        }
        const milliseconds left = std::max(request->deadline, milliseconds(1));
        const auto deadline = steady_clock::now() + left;
        arm_watchdog(left + watchdog_delay);
        set_deadline(left);
        busy_ = true;
        if (gone_) {
            return;  // nobody waits for this; watch() has looked at busy_ before it was set
        }
        failpoint("request-taken");
        const Response response{request->sequence, answer(std::move(request->body))};
        const Secret message = encode(response);
        failpoint("answer-ready");
        // Idle before the answer leaves: once the agent has it, it may close the connection in good order.
        busy_ = false;
        if (send_message(socket_, message.reveal(), deadline) != Transfer::done) {
            _exit(gone_ ? EXIT_SUCCESS : worker_exit_protocol);
        }
        set_deadline(milliseconds(0));
        arm_watchdog(milliseconds(0));
    }
}

/// Zero: no request is at hand.
void TokenServer::set_deadline(milliseconds left) {
    itimerspec timer{};
    timer.it_value.tv_sec = static_cast<time_t>(left.count() / 1000);
    timer.it_value.tv_nsec = static_cast<long>(left.count() % 1000 * 1'000'000);
    timerfd_settime(deadline_.get(), 0, &timer, nullptr);
}

void TokenServer::watch() {
    bool connected = true;
    bool stopping = stop_ < 0;
    auto last = steady_clock::time_point::max();
    for (;;) {
        // POLLRDHUP alone: requests are the token thread's. A negative descriptor is not looked at.
        std::array<pollfd, 4> events{{{ended_.get(), POLLIN, 0},
                                      {deadline_.get(), POLLIN, 0},
                                      {connected ? socket_ : -1, POLLRDHUP, 0},
                                      {stopping ? -1 : stop_, POLLIN, 0}}};
        const int found = poll(events.data(), events.size(), poll_timeout(last));
        if (found > 0 && events[0].revents != 0) {
            return;
        }
        std::uint64_t expired = 0;
        if (found > 0 && events[1].revents != 0 && read(deadline_.get(), &expired, sizeof expired) > 0) {
            _exit(worker_exit_deadline);
        }
        if (found > 0 && events[2].revents != 0) {
            gone_ = true;
            if (busy_) {
                end_logins(login_grace);
                _exit(EXIT_SUCCESS);
            }
            connected = false;
            last = steady_clock::now() + farewell;
        }
        if (found > 0 && events[3].revents != 0) {
            // The token thread finds no further request. What it does now has its deadline, and this thread would take
            // the half that is shut for the agent's end.
            stopping = true;
            connected = false;
            shutdown(socket_, SHUT_RD);
            last = steady_clock::now() + farewell;
        }
        if (found == 0 && poll_timeout(last) == 0) {
            if (gone_ || !busy_) {
                _exit(EXIT_SUCCESS);
            }
            last = steady_clock::now() + farewell;
        }
    }
}

ResponseBody TokenServer::answer(RequestBody body) {
    if (const auto* request = std::get_if<ListTokensRequest>(&body)) {
        return body_of(backend_.list(*request));
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
    // Vendor code may have run since, and a PIN is not read, nor its command run, where it has.
    if (std::exchange(used_, true) && std::holds_alternative<PrepareLoginRequest>(body)) {
        return Error(ErrorCode::token_protocol, "the token worker cannot prepare a login",
                     "it has served another request, and each login has a worker of its own");
    }
    return std::visit(Dispatch{*token_}, body);
}

}  // namespace hwenroll::keystore
