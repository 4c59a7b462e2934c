// Certificates-only SignedData (RFC 8894 §3.4, DEG-1 … DEG-7).
#include <algorithm>
#include <utility>

#include "transport/scep/cert_rep.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

tl::unexpected<Error> malformed(const Error& cause) {
    return fail(ErrorCode::scep_inner, "the decrypted content of the reply is no set of certificates",
                cause.what() + (cause.why().empty() ? "" : ": " + cause.why()));
}

}  // namespace

Result<std::vector<Certificate>> read_degenerate(ByteView content, const ParseLimits& limits) {
    const Result<SignedData> data = parse_signed_data(content, limits);
    if (!data) {
        return malformed(data.error());
    }
    // Signers mean nothing here and some encoders add them (DEG-2).
    std::vector<Certificate> certificates;
    for (const ByteView der : data->certificates) {
        Result<Certificate> certificate = Certificate::from_der(der);
        if (!certificate) {
            return malformed(certificate.error());
        }
        if (std::ranges::find(certificates, *certificate) == certificates.end()) {
            certificates.push_back(*std::move(certificate));
        }
    }
    if (certificates.empty()) {
        return fail(ErrorCode::scep_no_certificate, "the reply says SUCCESS but holds no certificate");
    }
    return certificates;
}

}  // namespace hwenroll::scep
