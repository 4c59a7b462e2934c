#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tests/lab_ca/get_message.h"
#include "tests/lab_ca/lint.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::array<std::string_view, 4> operations{"GetCACaps", "GetCACert", "GetNextCACert", "PKIOperation"};

void lint_operation(const HttpRequest& request, Findings& out) {
    const auto raw = request.parameter("operation");
    if (!raw) {
        out.push_back({"HTTP-1", "no 'operation' in the query"});
        return;
    }
    const std::string operation = percent_decoded(*raw);
    if (std::find(operations.begin(), operations.end(), operation) == operations.end()) {
        out.push_back({"HTTP-1", fmt::format("operation '{}' is none of SCEP's", printable(operation, 40))});
    }
    if (operation != "PKIOperation" && request.parameter("message")) {
        out.push_back({"HTTP-6", fmt::format("'message' sent with {}", printable(operation, 40))});
    }
    if (operation != "PKIOperation" && request.method != "GET") {
        out.push_back({"HTTP-5", fmt::format("{} is not sent by GET", printable(operation, 40))});
    }
}

void lint_headers(const HttpRequest& request, Findings& out) {
    if (!request.header("Host")) {
        out.push_back({"HTTP-14", "no Host header"});
    }
    if (request.header("Transfer-Encoding")) {
        out.push_back({"HTTP-9", "a chunked request"});
    }
    if (request.header("Expect")) {
        out.push_back({"HTTP-9", "an Expect header"});
    }
    if (request.header("Accept-Encoding")) {
        out.push_back({"HTTP-19", "a Content-Encoding is asked for"});
    }
    const auto no_cache = [&](std::string_view name) {
        return request.header(name).value_or("").find("no-cache") != std::string_view::npos;
    };
    if (request.method == "GET" && (!no_cache("Cache-Control") || !no_cache("Pragma"))) {
        out.push_back({"HTTP-17", "GET without Cache-Control and Pragma: no-cache"});
    }
}

}  // namespace

Findings lint_http(const HttpRequest& request, const Capabilities& capabilities) {
    Findings out;
    lint_operation(request, out);
    lint_headers(request, out);
    const bool pki_operation = request.parameter("operation").value_or("PKIOperation") == "PKIOperation";
    if (request.method == "POST" && pki_operation) {
        const std::string_view type = request.header("Content-Type").value_or("");
        if (type != "application/x-pki-message") {
            out.push_back({"HTTP-8", fmt::format("Content-Type is '{}'", printable(type, 60))});
        }
    }
    if (request.method == "GET" && pki_operation) {
        if (capabilities.has("POSTPKIOperation")) {
            out.push_back({"HTTP-7", "PKIOperation by GET although POST is announced"});
        }
        for (std::string& deviation : decode_get_message(request.parameter("message").value_or("")).deviations) {
            out.push_back({"HTTP-11", std::move(deviation)});
        }
    }
    return out;
}

}  // namespace hwenroll::lab_ca
