// What the answers of a CA's web server mean before SCEP has a say: CAPS-7, CAPS-8, HTTP-13, HTTP-20…29. Pure; the
// agent and the commands judge by this alone.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/certificate.h"
#include "transport/http/exchange.h"
#include "transport/scep/capabilities.h"

namespace hwenroll::runtime {

/// Characters of a GET URL from which servers are known to cut or refuse it (HTTP-12: IIS' maxQueryString).
inline constexpr std::size_t long_get_url = 2048;

/// How a request was put, as far as that explains what became of it.
struct RequestForm {
    scep::Operation operation = scep::Operation::pki_operation;
    bool post = false;
    std::size_t url_length = 0;  ///< characters
    bool announces_post = true;  ///< the CA does (HTTP-7)
};

/// What a status other than 2xx means when the body does not speak for itself. ca_http for what may pass, with the
/// Retry-After of the reply (HTTP-28: 408, 425, 429, 5xx but 501); ca_http_refused for what lasts until somebody
/// changes something, with advice for each status (HTTP-24…27, HTTP-29). Names the address that answered, without
/// credentials and query.
Error status_error(const RequestForm& form, const http::Response& response);

/// `error` of an exchange without a reply; HTTP-13 where a GET URL may be what the server did not stand.
Error without_reply(const RequestForm& form, const Error& error);

/// What GetCACaps announces; nothing: ask once more, with `repeated` set (CAPS-8). An empty body, 400, 404, 405 and 501
/// announce nothing (CAPS-7), as does a connection that is closed twice. Errors: those of the exchange, status_error.
Result<std::optional<scep::Capabilities>> read_capabilities(const Result<http::Response>& answer, bool repeated);

/// The certificates of a GetCACert answer, not authenticated. Errors: those of the exchange, status_error, those of
/// scep::parse_ca_certificates.
Result<std::vector<Certificate>> read_certificates(const Result<http::Response>& answer,
                                                   const scep::ParseLimits& limits);

}  // namespace hwenroll::runtime
