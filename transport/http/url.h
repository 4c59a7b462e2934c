// What an exchange needs to know of a URL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hwenroll::http {

enum class Scheme : std::uint8_t { http, https };

/// The scheme of `url`. Error config_value: not a URL, or another scheme than these two (SEC-17). Pure.
Result<Scheme> scheme_of(const std::string& url);

/// `url` for messages: without user name, password and fragment, and with "…" for the value of every query parameter
/// that is longer than a word, such as the `message` of a PKIOperation. Takes malformed URLs too. Pure.
std::string shown_url(std::string_view url);

/// The same without the query: which server and path. Pure.
std::string shown_address(std::string_view url);

}  // namespace hwenroll::http
