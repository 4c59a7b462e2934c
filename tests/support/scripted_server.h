// A TCP server that does what a test tells it to, well-formed HTTP or not.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace hwenroll::test {

/// One thing that the server does on a connection.
struct Step {
    enum class Kind : std::uint8_t { receive, send, send_endlessly, drip, pause, await_requests, await_close, reset };
    Kind kind = Kind::receive;
    std::string octets = {};
    std::chrono::milliseconds interval{0};
    std::size_t count = 0;
};

/// Reads one request, head and Content-Length octets of body, and records it.
Step receive();
/// Writes all of `octets`.
Step send(std::string octets);
/// Writes `octets` again and again until the client closes.
Step send_endlessly(std::string octets);
/// Writes `octets` one by one, `interval` apart, and again from the front, until the client closes.
Step drip(std::string octets, std::chrono::milliseconds interval);
/// Lets `interval` pass.
Step pause(std::chrono::milliseconds interval);
/// Waits until `count` requests were recorded on all connections together.
Step await_requests(std::size_t count);
/// Waits until the client closes.
Step await_close();
/// Ends the connection by RST.
Step reset();

/// Listens on a free port of 127.0.0.1 until it is destroyed; a thread for each connection.
class ScriptedServer {
 public:
    using Script = std::vector<Step>;
    static constexpr std::uint32_t usual_address = 0x7F000001;

    /// The n-th connection plays the n-th script and is closed at its end; later ones play the last.
    /// `address`: another one of 127.0.0.0/24, in the order of a host's octets.
    explicit ScriptedServer(std::vector<Script> scripts, std::uint32_t address = usual_address);
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    /// `http://ADDRESS:PORT` and `path`.
    [[nodiscard]] std::string url(std::string_view path = "/scep") const;
    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// What was received so far, octet for octet, in order of arrival. Thread-safe.
    [[nodiscard]] std::vector<std::string> requests() const;
    /// Connections accepted so far. Thread-safe.
    [[nodiscard]] std::size_t connections() const;

 private:
    class Connection;

    void accept_all();
    void record(std::string request);
    bool await_recorded(std::size_t count);

    std::uint32_t address_;
    std::vector<Script> scripts_;
    int listener_ = -1;
    int stop_ = -1;  ///< an eventfd, readable once the server ends
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::condition_variable recorded_;
    std::vector<std::string> requests_;
    std::size_t connections_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> players_;
    std::thread acceptor_;
};

}  // namespace hwenroll::test
