// One bounded HTTP exchange, asynchronous. Knows nothing of SCEP.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hwenroll::http {

/// What bounds an exchange (HTTP-18). A limit that is hit ends it with an error.
struct Limits {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds exchange_timeout{60'000};  ///< from start() to the last octet, redirects included
    std::size_t max_body = std::size_t{1} << 20U;        ///< octets of a reply's body
    std::size_t max_header = std::size_t{16} << 10U;     ///< octets of all reply headers together (BAD-14)
    int max_redirects = 3;                               ///< followed on GET only (HTTP-16)
    std::size_t max_get_url = 8000;                      ///< characters of a GET URL (HTTP-12)
    std::chrono::seconds retry_after_min{1};
    std::chrono::seconds retry_after_max{24 * 3600};
    std::size_t min_rate = 16;               ///< octets a second that a body must keep up (BAD-6)
    std::chrono::seconds min_rate_time{20};  ///< for how long it may fall short; 0: for ever
};

/// How a CA is reached.
struct Route {
    std::string proxy;   ///< URL of an HTTP proxy; empty: none, the environment is not looked at
    std::string tls_ca;  ///< PEM file that https: servers are verified by, and nothing else; empty: the system's
    std::string bind;    ///< local address or interface; empty: any
};

struct Request {
    /// handshake: no HTTP at all. Connects, makes the TLS handshake and closes. Its Response has status 0 and the DER
    /// of the server's own certificate as its body, which is not verified: the caller compares it with the one it
    /// expects. That the server has its private key is proved by the handshake.
    enum class Method : std::uint8_t { get, post, handshake };
    Method method = Method::get;
    std::string url;           ///< http: or https: (SEC-17); https: only for a handshake, which asks for its host (SNI)
    std::string connect_to;    ///< handshake only: `HOST:PORT` to connect to instead of the URL's; empty: the URL's
    std::string content_type;  ///< of `body`; POST only
    Bytes body;                ///< sent with an exact Content-Length, never chunked, without Expect (HTTP-9)
    /// On a connection of its own. libcurl sends a request again, all by itself, when a connection that it has used
    /// before closes without an answer; a SCEP message is signed anew each time instead (design, "Re-sending").
    bool once = false;
    Limits limits;
    Route route;
};

/// A reply with any status. HTTP errors are not Errors here: a CertRep may come with one (HTTP-21).
struct Response {
    int status = 0;
    std::string content_type;  ///< as sent; empty when absent
    Bytes body;
    std::string effective_url;                        ///< after redirects
    std::optional<std::chrono::seconds> retry_after;  ///< clamped to the limits; from seconds or an HTTP date
    std::optional<std::chrono::sys_seconds> date;     ///< the reply's Date header; for diagnosis only (SEC-16)
};

/// The event loop that a Client runs on: implemented by agent/runtime and by tests. Calls come from the loop's thread.
class Reactor {
 public:
    Reactor() = default;
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    virtual ~Reactor() = default;

    /// Call Client::on_socket when `fd` is readable or writable, level-triggered; both false: forget it.
    virtual void watch(int fd, bool readable, bool writable) = 0;

    /// Call Client::on_timer once after `delay`; nothing: disarm. A new call replaces the old timer.
    virtual void set_timer(std::optional<std::chrono::milliseconds> delay) = 0;
};

/// Identifies an exchange of one Client; never reused.
using ExchangeId = std::uint64_t;

/// Runs exchanges by curl's multi interface. All calls on the reactor's thread. `done` is called exactly once for each
/// exchange that was started and not cancelled, from on_socket or on_timer, never from within start(). It may start
/// and cancel exchanges, but not destroy the Client. A kept connection that turns out to be dead costs one transparent
/// resend on a new one (N14). HTTP/1.1 only, TLS 1.2 or newer, certificates always verified, but for
/// Method::handshake.
/// Errors: ca_unreachable (DNS, connect, TLS, also for want of time: nothing of the request has left), ca_closed (see
/// closed_without_reply), ca_interrupted (the connection broke with the request or the reply under way), ca_timeout,
/// ca_truncated (shorter than Content-Length or without the last chunk, BAD-3), ca_too_big (max_body), ca_redirect
/// (HTTP-16, BAD-8…10), ca_url_too_long, ca_http (malformed HTTP, max_header, a coded body HTTP-19), config_value (a
/// URL or Route that cannot be used), internal. URLs in messages have no credentials and no long query values.
class Client {
 public:
    /// `reactor` must outlive the Client. `user_agent` is sent as it is.
    Client(Reactor& reactor, std::string user_agent);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    /// Cancels what is left.
    ~Client();

    ExchangeId start(Request request, std::function<void(Result<Response>)> done);

    /// Forgets an exchange: its `done` is not called. Unknown ids are ignored.
    void cancel(ExchangeId id);

    void on_socket(int fd, bool readable, bool writable);
    void on_timer();

 private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// True (ca_closed) when the connection was made and then closed or reset before a line of a reply (CAPS-8): GetCACaps
/// takes it for "no capabilities". Never for DNS, connect, TLS or time, and never through a proxy.
bool closed_without_reply(const Error& error);

}  // namespace hwenroll::http
