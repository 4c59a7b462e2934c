// One exchange as a libcurl easy handle, through all of its redirects.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <curl/curl.h>

#include "transport/http/curl_ptr.h"
#include "transport/http/exchange.h"
#include "transport/http/reply_header.h"
#include "transport/http/url.h"

namespace hwenroll::http {

/// Holds the request and gathers the reply. Does not move: libcurl keeps pointers into it. One thread.
class Transfer {
 public:
    /// Checks the request and makes the handle ready to run. Errors: config_value (URL, content type), ca_url_too_long,
    /// internal (libcurl refuses an option).
    static Result<std::unique_ptr<Transfer>> make(Request request, const std::string& user_agent);

    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() = default;

    [[nodiscard]] CURL* handle() const { return easy_.get(); }

    /// Takes libcurl's verdict on the hop that has just ended. Nothing: the handle is ready for the next hop and must
    /// be run again; otherwise the exchange is over.
    std::optional<Result<Response>> end_hop(CURLcode verdict);

 private:
    enum class Stop : std::uint8_t { none, body, header, coding };

    explicit Transfer(Request request);

    bool set_transport();
    bool set_tls();
    bool set_reply_limits();
    bool set_request(const std::string& user_agent);
    bool set_handshake();
    bool set_hop();
    std::size_t take_header(std::string_view line);
    std::size_t take_body(std::string_view octets);
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    [[nodiscard]] std::string what() const;
    [[nodiscard]] Error stopped() const;
    [[nodiscard]] Error failed(CURLcode verdict) const;
    Response response();
    [[nodiscard]] Result<Response> served_certificate() const;

    Request request_;
    std::string url_;  ///< of the current hop
    Scheme scheme_ = Scheme::http;
    EasyPtr easy_;
    ListPtr headers_;
    ListPtr connect_to_;
    std::array<char, CURL_ERROR_SIZE> curl_text_{};
    ReplyHeader header_;
    Bytes body_;
    Stop stop_ = Stop::none;
    int followed_ = 0;
    std::chrono::microseconds spent_{0};  ///< by the hops before
};

}  // namespace hwenroll::http
