// The worker's side of the connection: serves one Token to one agent.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "base/file_descriptor.h"
#include "keystore/worker/token_protocol.h"

namespace hwenroll::keystore {

/// What the server offers; both are called on its token thread only.
struct TokenBackend {
    /// Makes the token of a ConfigureRequest.
    std::function<Result<std::unique_ptr<Token>>(const TokenOptions& options)> open;
    /// Answers a ListTokensRequest.
    std::function<Result<std::vector<TokenDescription>>(const ListTokensRequest& request)> list;
};

/// Serves requests one after the other. The token lives on a thread of its own, which also reads and answers, so that a
/// use costs one wake-up of a thread in each process and no more. The calling thread watches the connection and the
/// clock and never enters vendor code: when a request's deadline passes, or the agent goes away during one, it ends the
/// process with _exit(2), whatever the token thread does; an interval timer whose SIGALRM kills stands behind it. Only
/// a C_Login that is under way when the agent goes away gets up to 1.5 s to end, but never more than its deadline (ADR
/// 0025).
class TokenServer {
 public:
    /// `socket`: connected, SOCK_SEQPACKET; borrowed. `stop`: readable when the server is to end after the request at
    /// hand, which is still answered; borrowed; negative: nothing asks for that.
    TokenServer(int socket, TokenBackend backend, int stop = -1);
    TokenServer(const TokenServer&) = delete;
    TokenServer& operator=(const TokenServer&) = delete;
    ~TokenServer() = default;

    /// Serves until the agent closes the connection between two requests, or `stop`, then lets the token end. Returns
    /// the exit status of the process. Call once.
    int serve();

 private:
    void serve_requests();
    ResponseBody answer(RequestBody body);
    void watch();
    void set_deadline(std::chrono::milliseconds left);

    const int socket_;
    const TokenBackend backend_;
    const int stop_;

    std::unique_ptr<Token> token_;   ///< token thread only
    bool used_ = false;              ///< it has served a request; token thread only
    std::atomic<bool> busy_{false};  ///< between a request and its answer
    std::atomic<bool> gone_{false};  ///< the agent has closed the connection
    FileDescriptor deadline_;        ///< timerfd, readable when the request at hand is late
    FileDescriptor ended_;           ///< eventfd, readable when the token has ended
};

}  // namespace hwenroll::keystore
