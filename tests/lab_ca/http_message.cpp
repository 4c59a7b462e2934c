#include "tests/lab_ca/http_message.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace hwenroll::lab_ca {
namespace {

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string_view reason_of(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 431:
            return "Request Header Fields Too Large";
        case 501:
            return "Not Implemented";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return status >= 500 ? "Server Error" : "Status";
    }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
    const auto found =
        std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return equal_ignoring_case(h.name, name); });
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->value);
}

std::optional<std::string_view> HttpRequest::parameter(std::string_view name) const {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const std::size_t equals = pair.find('=');
        if (pair.substr(0, equals) == name) {
            return equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
        }
    }
    return std::nullopt;
}

bool HttpRequest::keep_alive() const {
    const std::string_view connection = header("Connection").value_or("");
    return minor_version >= 1 ? !equal_ignoring_case(connection, "close")
                              : equal_ignoring_case(connection, "keep-alive");
}

HttpReply text_reply(int status, std::string_view text) {
    HttpReply reply;
    reply.status = status;
    reply.content_type = "text/plain";
    reply.body = to_bytes(as_bytes(text));
    reply.body.push_back('\n');
    return reply;
}

std::string http_date(TimePoint time) {
    static constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[std::chrono::weekday(day).c_encoding()],
                       static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

Bytes to_wire(const HttpReply& reply, bool keep_alive) {
    std::string head = fmt::format("HTTP/1.{} {} {}\r\nContent-Type: {}\r\n", reply.minor_version, reply.status,
                                   reason_of(reply.status), reply.content_type);
    if (reply.minor_version != 0) {
        head += fmt::format("Content-Length: {}\r\n", reply.body.size());
    }
    for (const HttpHeader& header : reply.headers) {
        head += fmt::format("{}: {}\r\n", header.name, header.value);
    }
    head += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    Bytes wire = to_bytes(as_bytes(head));
    wire.insert(wire.end(), reply.body.begin(), reply.body.end());
    return wire;
}

HttpRequestReader::State HttpRequestReader::feed(ByteView octets) {
    if (state_ == State::refused) {
        return state_;
    }
    buffer_.insert(buffer_.end(), octets.begin(), octets.end());
    return state_ == State::complete ? state_ : advance();
}

HttpRequest HttpRequestReader::take() {
    HttpRequest taken = std::exchange(request_, {});
    head_read_ = false;
    continue_wanted_ = false;
    state_ = State::incomplete;
    advance();
    return taken;
}

bool HttpRequestReader::take_continue() {
    return std::exchange(continue_wanted_, false);
}

HttpRequestReader::State HttpRequestReader::refuse(int status) {
    status_ = status;
    buffer_.clear();
    return state_ = State::refused;
}

HttpRequestReader::State HttpRequestReader::advance() {
    if (!head_read_) {
        const std::string_view text = as_text(buffer_);
        const std::size_t end = text.find("\r\n\r\n");
        if (std::min(end, text.size()) > limits_.head) {
            return refuse(431);
        }
        if (end == std::string_view::npos) {
            return state_ = State::incomplete;
        }
        if (!read_head(text.substr(0, end))) {
            return refuse(400);
        }
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(end) + 4);
        head_read_ = true;
        if (const int status = body_length(); status != 0) {
            return refuse(status);
        }
        continue_wanted_ = equal_ignoring_case(request_.header("Expect").value_or(""), "100-continue");
    }
    if (buffer_.size() < body_size_) {
        return state_ = State::incomplete;
    }
    const auto body_end = buffer_.begin() + static_cast<std::ptrdiff_t>(body_size_);
    request_.body.assign(buffer_.begin(), body_end);
    buffer_.erase(buffer_.begin(), body_end);
    return state_ = State::complete;
}

bool HttpRequestReader::read_head(std::string_view head) {
    request_ = {};
    const std::size_t line_end = head.find("\r\n");
    if (!read_request_line(head.substr(0, line_end))) {
        return false;
    }
    std::string_view rest = line_end == std::string_view::npos ? std::string_view{} : head.substr(line_end + 2);
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) {
            return false;
        }
        request_.headers.push_back({std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
    }
    return true;
}

bool HttpRequestReader::read_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == 0 || first == last) {
        return false;
    }
    const std::string_view version = line.substr(last + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        return false;
    }
    request_.minor_version = version.back() - '0';
    request_.method = line.substr(0, first);
    std::string_view target = line.substr(first + 1, last - first - 1);
    if (const std::size_t scheme = target.find("://"); scheme != std::string_view::npos && target.front() != '/') {
        const std::size_t path = target.find_first_of("/?", scheme + 3);  // absolute form: the client uses a proxy
        target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    }
    const std::size_t question = target.find('?');
    request_.path = target.substr(0, question);
    request_.query = question == std::string_view::npos ? "" : target.substr(question + 1);
    return true;
}

/// Sets body_size_; another value than 0 is the status that refuses the request.
int HttpRequestReader::body_length() {
    body_size_ = 0;
    if (request_.header("Transfer-Encoding")) {
        return 411;
    }
    const auto lengths = std::count_if(request_.headers.begin(), request_.headers.end(),
                                       [](const auto& h) { return equal_ignoring_case(h.name, "Content-Length"); });
    if (lengths == 0) {
        return request_.method == "POST" ? 411 : 0;
    }
    const std::string_view text = *request_.header("Content-Length");
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), body_size_);
    if (lengths > 1 || error == std::errc::invalid_argument || end != text.data() + text.size()) {
        return 400;
    }
    return error == std::errc::result_out_of_range || body_size_ > limits_.body ? 413 : 0;
}

}  // namespace hwenroll::lab_ca
