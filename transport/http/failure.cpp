#include "transport/http/failure.h"

#include <cerrno>

namespace hwenroll::http {
namespace {

/// CAPS-8: the peer took the connection and ended it without a word. Over TLS only an orderly end counts, since a
/// refused handshake may surface on the first read (TLS 1.3); behind a proxy it says nothing about the CA.
bool ended_without_reply(const Failure& failure) {
    if (failure.reply_began || failure.proxied) {
        return false;
    }
    if (failure.code == CURLE_GOT_NOTHING) {
        return true;
    }
    const bool ended_by_peer = failure.os_error == ECONNRESET || failure.os_error == EPIPE;
    return !failure.tls && ended_by_peer && (failure.code == CURLE_RECV_ERROR || failure.code == CURLE_SEND_ERROR);
}

/// libcurl reports a broken chunked coding as a receive error, but without an errno.
bool malformed_body(const Failure& failure) {
    return failure.code == CURLE_RECV_ERROR && failure.reply_header && !failure.tls && failure.os_error == 0;
}

/// A header line above libcurl's own bound ends in one of two codes, by its version.
bool endless_header_line(const Failure& failure) {
    constexpr int too_large = 100;  // CURLE_TOO_LARGE, since libcurl 8.6
    return !failure.reply_header &&
           (failure.code == CURLE_OUT_OF_MEMORY || static_cast<int>(failure.code) == too_large);
}

ErrorCode code_of(const Failure& failure) {
    if (ended_without_reply(failure)) {
        return ErrorCode::ca_closed;
    }
    if (malformed_body(failure) || endless_header_line(failure)) {
        return ErrorCode::ca_http;
    }
    const ErrorCode broken = failure.request_began ? ErrorCode::ca_interrupted : ErrorCode::ca_unreachable;
    switch (failure.code) {
        case CURLE_OPERATION_TIMEDOUT:
            return failure.request_began ? ErrorCode::ca_timeout : ErrorCode::ca_unreachable;
        case CURLE_PARTIAL_FILE:
            return ErrorCode::ca_truncated;
        case CURLE_FILESIZE_EXCEEDED:
            return ErrorCode::ca_too_big;
        case CURLE_UNSUPPORTED_PROTOCOL:  // no status line: HTTP/0.9 is off
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_BAD_CONTENT_ENCODING:
            return ErrorCode::ca_http;
        case CURLE_URL_MALFORMAT:
            return ErrorCode::config_value;
        case CURLE_SSL_CACERT_BADFILE:
            return failure.own_tls_ca ? ErrorCode::config_value : ErrorCode::ca_unreachable;
        default:
            return broken;
    }
}

/// Advice where the table's does not fit.
std::string next_of(const Failure& failure) {
    switch (failure.code) {
        case CURLE_PEER_FAILED_VERIFICATION:
            return "retried later; check the server's TLS certificate and 'tls_ca'";
        case CURLE_SSL_CACERT_BADFILE:
            return failure.own_tls_ca ? "correct 'tls_ca'" : "install the system's CA certificates or set 'tls_ca'";
        case CURLE_INTERFACE_FAILED:
            return "retried later; check 'bind'";
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_PROXY:
            return "retried later; check 'proxy'";
        default:
            return failure.proxied ? "retried later; check 'url', 'proxy' and the network" : "";
    }
}

}  // namespace

Error to_error(const Failure& failure) {
    const ErrorCode code = code_of(failure);
    const bool unreachable =
        code == ErrorCode::ca_unreachable || code == ErrorCode::ca_interrupted || code == ErrorCode::config_value;
    // libcurl's words for it are those of a machine without memory.
    const std::string& why = endless_header_line(failure) ? "a header line does not end" : failure.why;
    return Error(code, failure.what + " failed", why, unreachable ? next_of(failure) : "");
}

}  // namespace hwenroll::http
