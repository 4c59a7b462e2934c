#include "transport/http/reply_header.h"

#include <algorithm>
#include <charconv>

#include <curl/curl.h>

namespace hwenroll::http {
namespace {

bool same_word(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<std::chrono::sys_seconds> http_date(const std::string& text) {
    const time_t seconds = text.empty() ? -1 : curl_getdate(text.c_str(), nullptr);
    if (seconds < 0) {
        return std::nullopt;
    }
    return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

}  // namespace

ReplyHeader::Verdict ReplyHeader::take(std::string_view line) {
    octets_ += line.size();
    began_ = true;
    if (octets_ > max_octets_) {
        return Verdict::too_long;
    }
    if (complete_) {
        return Verdict::acceptable;  // a trailer has no say in what the reply is
    }
    if (line.substr(0, 5) == "HTTP/") {
        next_reply();
        began_ = true;
        const std::string_view rest = trimmed(line.substr(std::min(line.find(' '), line.size())));
        std::from_chars(rest.data(), rest.data() + rest.size(), status_);
        return Verdict::acceptable;
    }
    if (trimmed(line).empty()) {
        complete_ = status_ >= 200;
        return Verdict::acceptable;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
        return Verdict::acceptable;
    }
    return take_field(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
}

ReplyHeader::Verdict ReplyHeader::take_field(std::string_view name, std::string_view value) {
    const auto keep_first = [&](std::string& field) {
        if (field.empty()) {
            field = value;
        }
    };
    if (same_word(name, "Content-Type")) {
        keep_first(content_type_);
    } else if (same_word(name, "Date")) {
        keep_first(date_);
    } else if (same_word(name, "Retry-After")) {
        keep_first(retry_after_);
    } else if (same_word(name, "Content-Encoding") || same_word(name, "Transfer-Encoding")) {
        // libcurl decodes transfer codings unasked, so a compressed one is refused as well.
        const bool chunked = same_word(name, "Transfer-Encoding") && same_word(value, "chunked");
        if (!chunked && !value.empty() && !same_word(value, "identity")) {
            coding_ = value;
            return Verdict::coded;
        }
    }
    return Verdict::acceptable;
}

void ReplyHeader::next_reply() {
    const std::size_t octets = octets_;
    *this = ReplyHeader(max_octets_);
    octets_ = octets;
}

std::optional<std::chrono::sys_seconds> ReplyHeader::date() const {
    return http_date(date_);
}

std::optional<std::chrono::seconds> ReplyHeader::retry_after(const Limits& limits) const {
    if (retry_after_.empty()) {
        return std::nullopt;
    }
    std::chrono::seconds wait{0};
    if (retry_after_.find_first_not_of("0123456789") == std::string::npos) {
        std::int64_t count = 0;
        const char* end = retry_after_.data() + retry_after_.size();
        const bool huge = std::from_chars(retry_after_.data(), end, count).ec != std::errc();
        wait = huge ? limits.retry_after_max : std::chrono::seconds(count);
    } else {
        const auto until = http_date(retry_after_);
        const auto from = date();
        if (!until || !from) {
            return std::nullopt;
        }
        wait = *until - *from;
    }
    return std::max(std::min(wait, limits.retry_after_max), limits.retry_after_min);
}

}  // namespace hwenroll::http
