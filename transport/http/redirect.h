// Whether a 3xx reply is followed: HTTP-16 as narrowed by the design (never on POST).
#pragma once

#include <string>

#include "transport/http/exchange.h"

namespace hwenroll::http {

/// A reply with a status of 300 to 399.
struct Redirection {
    Request::Method method = Request::Method::get;
    int status = 0;
    std::string from;      ///< the URL that was asked
    std::string location;  ///< the absolute URL it names; empty when it names none
    int followed = 0;      ///< redirects of this exchange so far
};

/// True: ask `location` next. False: the reply is final, because its status or a missing Location makes it so.
/// Error ca_redirect: on POST, after `max_redirects`, from https to http, or to another scheme (BAD-8, BAD-9, BAD-10).
/// Pure.
Result<bool> must_follow(const Redirection& reply, int max_redirects);

}  // namespace hwenroll::http
