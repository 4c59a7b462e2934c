// What libcurl's verdict on a transfer means to us.
#pragma once

#include <string>

#include <curl/curl.h>

#include "transport/http/exchange.h"

namespace hwenroll::http {

/// A transfer that libcurl gave up.
struct Failure {
    CURLcode code = CURLE_OK;
    std::string why;             ///< libcurl's words
    std::string what;            ///< e.g. "GET http://ca.example/scep"
    long os_error = 0;           ///< errno of the system call behind it; 0: none
    bool request_began = false;  ///< the request was on its way or about to be
    bool reply_began = false;    ///< at least one header line came
    bool reply_header = false;   ///< the whole header came
    bool tls = false;
    bool proxied = false;
    bool own_tls_ca = false;  ///< Route::tls_ca is set
};

/// The Error for a failure. Pure.
Error to_error(const Failure& failure);

}  // namespace hwenroll::http
