#include "transport/http/redirect.h"

#include <fmt/format.h>

#include "transport/http/url.h"

namespace hwenroll::http {
namespace {

bool names_another_place(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

tl::unexpected<Error> refused(const Redirection& reply, const std::string& why) {
    const bool post = reply.method == Request::Method::post;
    const std::string to = reply.location.empty() ? "nowhere" : fmt::format("'{}'", shown_url(reply.location));
    return fail(ErrorCode::ca_redirect,
                fmt::format("{} {} is redirected to {}", post ? "POST" : "GET", shown_url(reply.from), to),
                fmt::format("status {}; {}", reply.status, why));
}

}  // namespace

Result<bool> must_follow(const Redirection& reply, int max_redirects) {
    if (reply.method == Request::Method::post) {
        return refused(reply, "a POST is not sent on");
    }
    if (!names_another_place(reply.status) || reply.location.empty()) {
        return false;
    }
    if (reply.followed >= max_redirects) {
        return refused(reply, fmt::format("more than {} redirects", max_redirects));
    }
    const auto to = scheme_of(reply.location);
    if (!to) {
        return refused(reply, to.error().why());
    }
    const auto from = scheme_of(reply.from);
    if (!from) {
        return fail(from.error());
    }
    if (*from == Scheme::https && *to == Scheme::http) {
        return refused(reply, "from https to http");
    }
    return true;
}

}  // namespace hwenroll::http
