// The header section of a reply, line by line as it arrives.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "transport/http/exchange.h"

namespace hwenroll::http {

/// Collects what a Response tells of its header, and stops a reply that is too long or coded. Pure.
class ReplyHeader {
 public:
    enum class Verdict : std::uint8_t {
        acceptable,
        too_long,  ///< more than `max_octets` in all header sections and trailers of the exchange (BAD-14)
        coded,     ///< the body is compressed, which was not asked for (HTTP-19, BAD-13)
    };

    explicit ReplyHeader(std::size_t max_octets) : max_octets_(max_octets) {}

    /// Takes a status line, a field, the blank line that ends a section, or a trailer, each with its line end.
    Verdict take(std::string_view line);

    /// Forgets the fields, not the octets: the reply of the next hop follows.
    void next_reply();

    /// True once a line was taken since next_reply().
    [[nodiscard]] bool began() const { return began_; }
    /// True after the blank line of a final (not 1xx) reply.
    [[nodiscard]] bool complete() const { return complete_; }
    [[nodiscard]] int status() const { return status_; }
    [[nodiscard]] const std::string& content_type() const { return content_type_; }
    /// The coding that made the verdict `coded`.
    [[nodiscard]] const std::string& coding() const { return coding_; }
    [[nodiscard]] std::optional<std::chrono::sys_seconds> date() const;

    /// How long the server asks to wait (RFC 9110 §10.2.3), clamped to the limits. An HTTP date counts from the reply's
    /// own Date, so that neither clock matters; without a Date it says nothing.
    [[nodiscard]] std::optional<std::chrono::seconds> retry_after(const Limits& limits) const;

 private:
    Verdict take_field(std::string_view name, std::string_view value);

    std::size_t max_octets_;
    std::size_t octets_ = 0;
    bool began_ = false;
    bool complete_ = false;
    int status_ = 0;
    std::string content_type_;
    std::string date_;
    std::string retry_after_;
    std::string coding_;
};

}  // namespace hwenroll::http
