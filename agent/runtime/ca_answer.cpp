#include "agent/runtime/ca_answer.h"

#include <fmt/format.h>

#include "transport/http/url.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::runtime {
namespace {

constexpr std::size_t shown_body = 120;

bool succeeded(int status) {
    return status >= 200 && status < 300;
}

/// HTTP-24, HTTP-25, HTTP-27, HTTP-29: the same request would be refused again.
bool lasts(int status) {
    const bool passes = status == 408 || status == 425 || status == 429;
    return (status >= 400 && status < 500 && !passes) || status == 501;
}

/// CAPS-7, HTTP-26, HTTP-27: how servers that do not know GetCACaps say so.
bool announces_nothing(int status) {
    return status == 400 || status == 404 || status == 405 || status == 501;
}

bool by_get(const RequestForm& form) {
    return form.operation == scep::Operation::pki_operation && !form.post;
}

/// HTTP-13.
std::string too_long(const RequestForm& form) {
    return fmt::format("the GET URL of {} characters is probably too long for the server or a proxy; {}",
                       form.url_length,
                       form.announces_post ? "the CA announces POST: set http = \"auto\""
                                           : "the CA does not announce POST: have it announce POSTPKIOperation");
}

std::string advice(const RequestForm& form, int status) {
    if (by_get(form) && (status == 400 || status == 404 || status == 414)) {
        return too_long(form);
    }
    switch (status) {
        case 400:
            return "the server cannot read the request: check 'url', 'identifier' and the server's own log";
        case 401:
        case 403:
            return "have the server's operator admit this client, or correct 'url'";
        case 404:
        case 410:
            return "correct the path of 'url', or 'identifier'";
        case 405:
        case 501:
            return form.post ? "the server takes no POST here: correct 'url', or set http = \"get\""
                             : "the server takes no GET here: correct 'url', or set http = \"post\"";
        case 407:
            return "the proxy wants a login, which this version cannot give: have it admit this machine, or set "
                   "another 'proxy'";
        case 411:
            return "a length was sent, so a proxy drops it: check 'proxy'";
        case 413:
            return "have the server accept larger requests";
        case 414:
            return "shorten 'url'";
        case 415:
            return "the server does not take application/x-pki-message: correct 'url'";
        default:
            return {};
    }
}

}  // namespace

Error status_error(const RequestForm& form, const http::Response& response) {
    std::string what =
        fmt::format("{} by {} was answered with HTTP status {} by {}", scep::to_text(form.operation),
                    form.post ? "POST" : "GET", response.status, http::shown_address(response.effective_url));
    std::string why = printable(as_text(response.body), shown_body);
    if (lasts(response.status)) {
        return Error(ErrorCode::ca_http_refused, std::move(what), std::move(why), advice(form, response.status));
    }
    return Error(ErrorCode::ca_http, std::move(what), std::move(why)).retry_after(response.retry_after);
}

Error without_reply(const RequestForm& form, const Error& error) {
    if (!by_get(form) || !http::closed_without_reply(error)) {
        return error;
    }
    return Error(error.code(), error.what(), error.why(), "retried later; " + too_long(form));
}

Result<std::optional<scep::Capabilities>> read_capabilities(const Result<http::Response>& answer, bool repeated) {
    if (!answer && http::closed_without_reply(answer.error())) {
        return repeated ? std::optional(scep::Capabilities()) : std::nullopt;
    }
    if (!answer) {
        return fail(answer.error());
    }
    if (succeeded(answer->status)) {
        return std::optional(scep::parse_capabilities(answer->body));
    }
    if (announces_nothing(answer->status)) {
        return std::optional(scep::Capabilities());
    }
    return fail(status_error({.operation = scep::Operation::get_ca_caps}, *answer));
}

Result<std::vector<Certificate>> read_certificates(const Result<http::Response>& answer,
                                                   const scep::ParseLimits& limits) {
    if (!answer) {
        return fail(answer.error());
    }
    if (answer->status != 200) {
        return fail(status_error({.operation = scep::Operation::get_ca_cert}, *answer));
    }
    return scep::parse_ca_certificates(answer->body, limits);
}

}  // namespace hwenroll::runtime
