// A small HTTP/1.1 server over poll(): one thread, plain TCP. It is our own because faults will have to be scripted
// down to single octets and resets on the socket, which no HTTP library lets through.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "tests/lab_ca/http_message.h"

namespace hwenroll::lab_ca {

/// What answers the requests of an HttpServer; called on its thread.
class HttpService {
 public:
    HttpService() = default;
    HttpService(const HttpService&) = delete;
    HttpService& operator=(const HttpService&) = delete;
    virtual ~HttpService() = default;

    virtual HttpReply answer(const HttpRequest& request) = 0;

    /// The server answered `status` by itself; `understood` is what it could read of the request.
    virtual void refused(const HttpRequest& understood, int status) = 0;
};

/// Listens and serves. Used by one thread.
class HttpServer {
 public:
    /// `host` is a numeric address; port 0 lets the system choose. Error code: ca_unreachable.
    static Result<HttpServer> listen(const std::string& host, std::uint16_t port, HttpLimits limits = {});

    [[nodiscard]] std::uint16_t port() const { return port_; }

    /// Serves until `stop_fd` is readable (it is not read), then closes all connections. Error code: internal.
    Status run(HttpService& service, int stop_fd);

    /// How often accepting was put off for a tick because the process or the system had no descriptor or memory left
    /// (accept(2): EMFILE, ENFILE, ENOBUFS, ENOMEM). May be read from any thread.
    [[nodiscard]] std::size_t pauses() const { return *pauses_; }

 private:
    using MonotonicTime = std::chrono::steady_clock::time_point;

    struct Connection {
        FileDescriptor socket;
        HttpRequestReader reader;
        Bytes out;
        std::size_t sent = 0;
        bool close_after = false;  ///< no further request is read
        bool draining = false;     ///< all is sent; what still arrives is thrown away
        bool finished = false;
        MonotonicTime deadline;
        MonotonicTime send_from{};
        std::chrono::milliseconds pause{0};  ///< between octets
        Bytes endless;                       ///< sent again and again
        bool reset = false;                  ///< when all is sent
    };

    HttpServer(FileDescriptor socket, std::uint16_t port, HttpLimits limits);

    void accept_all(MonotonicTime now);
    void receive(Connection& connection, HttpService& service, MonotonicTime now);
    void answer_requests(Connection& connection, HttpService& service, MonotonicTime now);
    [[nodiscard]] std::chrono::milliseconds wait_limit(MonotonicTime now) const;
    void send_pending(Connection& connection, MonotonicTime now);

    FileDescriptor socket_;
    std::uint16_t port_;
    HttpLimits limits_;
    std::list<Connection> connections_;
    MonotonicTime accept_from_{};
    std::unique_ptr<std::atomic<std::size_t>> pauses_ = std::make_unique<std::atomic<std::size_t>>(0);  // movable
};

}  // namespace hwenroll::lab_ca
