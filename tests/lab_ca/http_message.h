// HTTP/1.x requests and replies as values (RFC 9112), and the reader that makes requests out of octets.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace hwenroll::lab_ca {

struct HttpHeader {
    std::string name;
    std::string value;
};

struct HttpRequest {
    std::string method;
    std::string path;   ///< undecoded, without the query
    std::string query;  ///< undecoded, without the question mark
    int minor_version = 1;
    std::vector<HttpHeader> headers;
    Bytes body;

    /// The first header of that name, in any letter case.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;

    /// The first query parameter of that name (case-sensitive), undecoded.
    [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;

    /// The client wants another exchange on the connection.
    [[nodiscard]] bool keep_alive() const;
};

/// How an HttpServer sends a reply.
struct Delivery {
    enum class End {
        regular,
        unanswered,  ///< nothing is sent and the connection is closed
        reset,       ///< nothing but `wire` is sent and the connection is reset (TCP RST)
        truncated,   ///< it is closed after half of the body
    };
    End end = End::regular;
    std::chrono::milliseconds delay{0};  ///< before the first octet
    std::chrono::milliseconds pause{0};  ///< between octets; 0: all at once
    Bytes wire{};                        ///< unless empty: what is sent in place of the reply; then it is closed
    Bytes endless{};                     ///< unless empty: sent behind it again and again until the client closes
};

struct HttpReply {
    int status = 200;
    std::string content_type;
    Bytes body;
    std::vector<HttpHeader> headers;  ///< besides Content-Type, Content-Length and Connection
    Delivery delivery{};
    int minor_version = 1;  ///< 0: HTTP/1.0 without Content-Length, and the connection ends with the body
};

/// A reply of text/plain; `text` gets a final newline.
HttpReply text_reply(int status, std::string_view text);

/// The octets of `reply` on the wire.
Bytes to_wire(const HttpReply& reply, bool keep_alive);

/// `Sun, 06 Nov 1994 08:49:37 GMT`, for a Date header.
std::string http_date(TimePoint time);

/// `%XX` sequences of `text` decoded; a malformed one stays as it is.
std::string percent_decoded(std::string_view text);

/// `a` and `b` in any ASCII letter case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

struct HttpLimits {
    std::size_t head = std::size_t{64} * 1024;   ///< octets of request line and headers
    std::size_t body = std::size_t{256} * 1024;  ///< octets
};

/// Reads one request after the other from the octets of a connection. No I/O.
class HttpRequestReader {
 public:
    enum class State {
        incomplete,  ///< needs more octets
        complete,    ///< take() yields a request
        refused,     ///< status() says how to answer; the connection is of no further use
    };

    explicit HttpRequestReader(HttpLimits limits) : limits_(limits) {}

    /// Adds what was received.
    State feed(ByteView octets);

    /// The complete request; goes on with what was received behind it.
    HttpRequest take();

    [[nodiscard]] State state() const { return state_; }

    /// HTTP status for a refused request.
    [[nodiscard]] int status() const { return status_; }

    /// What was understood of a refused request.
    [[nodiscard]] const HttpRequest& understood() const { return request_; }

    /// True once for each request whose client waits for `100 Continue` before it sends the body.
    bool take_continue();

    /// Nothing of a further request has arrived.
    [[nodiscard]] bool idle() const { return state_ == State::incomplete && !head_read_ && buffer_.empty(); }

 private:
    State advance();
    State refuse(int status);
    bool read_head(std::string_view head);
    bool read_request_line(std::string_view line);
    int body_length();

    HttpLimits limits_;
    Bytes buffer_;
    HttpRequest request_;
    State state_ = State::incomplete;
    bool head_read_ = false;
    bool continue_wanted_ = false;
    std::size_t body_size_ = 0;
    int status_ = 0;
};

}  // namespace hwenroll::lab_ca
