// Stands between the agent and a SCEP server and changes what passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace hwenroll::test {

/// Forwards every request on 127.0.0.1 to a server on 127.0.0.1 and hands each answer to one operation, head and body,
/// to `tamper`, whose result is sent instead; nothing is sent for an empty one. `tamper_request` does the same to the
/// operation's requests. One connection at a time, closed after each answer.
class TamperingProxy {
 public:
    using Tamper = std::function<std::string(const std::string& message)>;

    TamperingProxy(std::uint16_t upstream, Tamper tamper, std::string operation = "PKIOperation",
                   Tamper tamper_request = {});
    TamperingProxy(const TamperingProxy&) = delete;
    TamperingProxy& operator=(const TamperingProxy&) = delete;
    ~TamperingProxy();

    [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
    void serve();
    void answer(int client) const;

    std::uint16_t upstream_;
    Tamper tamper_;
    std::string operation_;
    Tamper tamper_request_;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    int stop_ = -1;
    std::thread thread_;
};

/// An HTTP response with a correct Content-Length.
std::string http_response(const std::string& status, const std::string& content_type, const std::string& body);

/// The part behind the head.
std::string body_of(const std::string& response);

}  // namespace hwenroll::test
