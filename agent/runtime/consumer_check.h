// `verify`: whether a consumer uses the certificate that was published.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/command.h"
#include "base/certificate.h"
#include "transport/http/exchange.h"

namespace hwenroll::runtime {

/// What is checked, and how: exactly one of `tls` and `command` is set.
struct CheckTask {
    std::string identity;
    std::uint64_t generation = 0;
    std::filesystem::path publish_dir;
    std::string tls;                   ///< `verify = { tls = "host:port" }`; the handshake begins at once, no STARTTLS
    std::vector<std::string> command;  ///< `verify = { command = [...] }`, run as this process's user
};

struct CheckLimits {
    std::chrono::milliseconds tls{10'000};
    std::chrono::milliseconds command{60'000};
};

struct CheckOutcome {
    bool confirmed = false;  ///< the server serves exactly the published certificate, or the command exited 0
    std::string text;        ///< one line, e.g. "127.0.0.1:443 serves the old certificate, serial 1A2B"
    std::string output;      ///< of the command; for the journal only (O3)

    /// The error for a check that did not confirm. Code: verify_failed.
    [[nodiscard]] Error error(const std::string& identity) const;
};

/// Which TLS handshake shows what a server at `address` (`host:port`) has for `published`. The server is asked for the
/// host's name, or, where that is an address, for the certificate's first DNS name without wildcard: one address often
/// serves many names.
http::Request handshake_for(const std::string& address, const Certificate& published,
                            std::chrono::milliseconds time_out);

/// One check (O4). On the loop's thread, which it never blocks. That the server proves to have the private key is part
/// of the handshake; that anybody trusts the certificate is not checked.
class ConsumerCheck {
 public:
    /// `done` is called once, on the loop, never from within start(), and may destroy the ConsumerCheck. `client` must
    /// be served by `loop` and outlive the check.
    static std::unique_ptr<ConsumerCheck> start(EventLoop& loop, http::Client& client, CheckTask task,
                                                const Certificate& published, const CheckLimits& limits,
                                                std::function<void(CheckOutcome)> done);

    ConsumerCheck(const ConsumerCheck&) = delete;
    ConsumerCheck& operator=(const ConsumerCheck&) = delete;
    /// Ends what runs; `done` is not called then.
    ~ConsumerCheck();

 private:
    ConsumerCheck(http::Client& client, CheckTask task, const Certificate& published,
                  std::function<void(CheckOutcome)> done);
    void compare(const Result<http::Response>& response);
    void finish(CheckOutcome outcome);

    http::Client& client_;
    CheckTask task_;
    Certificate published_;
    std::function<void(CheckOutcome)> done_;
    http::ExchangeId exchange_ = 0;
    std::unique_ptr<Command> command_;
};

}  // namespace hwenroll::runtime
