// What the web server in front of a CA lets through, and how it answers (SRV-1, SRV-2, SRV-3, SRV-18).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/lab_ca/http_message.h"

namespace hwenroll::lab_ca {

struct HttpManner {
    std::vector<std::string> paths{};  ///< every other one is not found; empty: any path will do (RFC 8894 §4.1)
    std::string server{};              ///< Server header; empty: none
    std::size_t max_query = 0;     ///< octets of a query; a longer one is not found, as IIS has it (Q-NDES-12); 0: any
    bool http_1_0 = false;         ///< HTTP/1.0 without Content-Length: the end of the connection ends the body
    bool strict_get = false;       ///< PKIOperation by GET in no other form than HTTP-11
    bool needs_operation = false;  ///< also of a POST, where many CAs do without (RFC 8894 §4.3)
};

/// The reply that takes the place of processing; absent when the request is let through.
std::optional<HttpReply> refused_by(const HttpManner& manner, const HttpRequest& request);

/// `reply` as this server would send it.
HttpReply dressed(const HttpManner& manner, HttpReply reply);

}  // namespace hwenroll::lab_ca
