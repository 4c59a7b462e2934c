// The worker's side of the connection: serves one Token to one agent.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file_descriptor.h"
#include "keystore/worker/token_protocol.h"

namespace hwenroll::keystore {

/// What the server offers; both are called on its token thread only.
struct TokenBackend {
    /// Makes the token of a ConfigureRequest.
    std::function<Result<std::unique_ptr<Token>>(const Pkcs11Options& options)> open;
    /// Answers a ListTokensRequest.
    std::function<Result<std::vector<TokenDescription>>(const std::string& module)> list;
};

/// Serves requests one after the other. The calling thread watches the connection and the clock and never enters vendor
/// code; the token lives on a thread of its own. When a request's deadline passes, or the agent goes away during one,
/// the calling thread ends the process with _exit(2), whatever the token thread does; an interval timer whose SIGALRM
/// kills stands behind it.
class TokenServer {
 public:
    /// `socket`: connected, SOCK_SEQPACKET; borrowed.
    TokenServer(int socket, TokenBackend backend);
    TokenServer(const TokenServer&) = delete;
    TokenServer& operator=(const TokenServer&) = delete;
    ~TokenServer();

    /// Serves until the agent closes the connection between two requests, then lets the token end. Returns the exit
    /// status of the process. Call once.
    int serve();

 private:
    enum class Waited : std::uint8_t { answered, late, agent_gone };

    void run_token_thread();
    ResponseBody answer(RequestBody body);
    void give(RequestBody body);
    Waited wait_for_answer(std::chrono::steady_clock::time_point deadline);

    const int socket_;
    const TokenBackend backend_;

    std::unique_ptr<Token> token_;  ///< token thread only
    std::mutex mutex_;
    std::condition_variable wake_;
    std::optional<RequestBody> request_;
    std::optional<ResponseBody> response_;
    bool stop_ = false;
    FileDescriptor answered_;  ///< eventfd, readable when response_ is there
    std::thread thread_;
};

}  // namespace hwenroll::keystore
