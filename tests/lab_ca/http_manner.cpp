#include "tests/lab_ca/http_manner.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/lab_ca/get_message.h"

namespace hwenroll::lab_ca {
namespace {

bool is_pki_operation_by_get(const HttpRequest& request) {
    return request.method == "GET" && percent_decoded(request.parameter("operation").value_or("")) == "PKIOperation";
}

/// IIS' words for its request filter, whose sub-status does not go over the wire.
HttpReply query_too_long() {
    HttpReply reply = text_reply(404, "");
    reply.content_type = "text/html";
    reply.body = to_bytes(as_bytes("<html><body><h2>404 - File or directory not found.</h2></body></html>\n"));
    return reply;
}

}  // namespace

std::optional<HttpReply> refused_by(const HttpManner& manner, const HttpRequest& request) {
    const auto& paths = manner.paths;
    if (!paths.empty() && std::find(paths.begin(), paths.end(), request.path) == paths.end()) {
        return text_reply(404, "nothing is served under this path");
    }
    if (manner.max_query != 0 && request.query.size() > manner.max_query) {
        return query_too_long();
    }
    if (manner.needs_operation && request.method == "POST" && !request.parameter("operation")) {
        return text_reply(400, "a POST needs 'operation' in its query");
    }
    if (manner.strict_get && is_pki_operation_by_get(request)) {
        const GetMessage message = decode_get_message(request.parameter("message").value_or(""));
        if (!message.deviations.empty()) {
            return text_reply(
                400, fmt::format("'message' is not in the form of HTTP-11: {}", fmt::join(message.deviations, "; ")));
        }
    }
    return std::nullopt;
}

HttpReply dressed(const HttpManner& manner, HttpReply reply) {
    if (!manner.server.empty()) {
        reply.headers.push_back({"Server", manner.server});
    }
    if (manner.http_1_0) {
        reply.minor_version = 0;
    }
    return reply;
}

}  // namespace hwenroll::lab_ca
