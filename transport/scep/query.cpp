#include "transport/scep/query.h"

#include <algorithm>

#include <fmt/format.h>

#include "transport/scep/certificate_path.h"
#include "transport/scep/der_writer.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

constexpr std::uint8_t tag_integer = 0x02;

/// Content octets of the DER INTEGER of this magnitude.
Bytes integer_content(ByteView magnitude) {
    Bytes content(magnitude.begin(), magnitude.end());
    if (content.empty() || (content[0] & 0x80U) != 0) {
        content.insert(content.begin(), 0);
    }
    return content;
}

std::string serials_of(const std::vector<Certificate>& certificates) {
    constexpr std::size_t shown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(certificates.size(), shown); ++i) {
        text += (i == 0 ? "" : ", ") + to_hex(certificates[i].serial());
    }
    return text + (certificates.size() > shown ? " and others" : "");
}

}  // namespace

Bytes issuer_and_serial_data(const DistinguishedName& issuer, ByteView serial) {
    return der::constructed(der::tag_sequence, {issuer.der(), der::value(tag_integer, integer_content(serial))});
}

Result<CertRep> read_query_reply(ByteView body, const ReplyExpectation& expected) {
    auto reply = read_cert_rep(body, expected);
    if (reply && reply->status == PkiStatus::pending) {
        return fail(ErrorCode::scep_status, "the reply to a query has the status PENDING",
                    "RFC 8894 §4.5 and §4.6 allow SUCCESS and FAILURE only");
    }
    return reply;
}

Result<Certificate> accept_queried(const std::vector<Certificate>& received, const WantedCertificate& wanted) {
    const auto found = std::ranges::find_if(received, [&](const Certificate& one) {
        return one.serial() == wanted.serial && one.issuer().same_rdns(wanted.issuer.subject());
    });
    if (found == received.end()) {
        return fail(ErrorCode::scep_no_certificate,
                    fmt::format("the reply does not hold the certificate with serial {}", to_hex(wanted.serial)),
                    "it holds " + (received.empty() ? std::string("none") : serials_of(received)));
    }
    if (!is_issued_by(*found, wanted.issuer)) {
        return fail(ErrorCode::scep_chain,
                    fmt::format("the certificate with serial {} was not issued by the CA that it names",
                                to_hex(wanted.serial)));
    }
    if (wanted.key && found->public_key() != *wanted.key) {
        return fail(ErrorCode::scep_key_mismatch,
                    fmt::format("the certificate with serial {} is for another key than ours", to_hex(wanted.serial)));
    }
    return *found;
}

Result<ReceivedCrl> read_degenerate_crl(ByteView content, const ParseLimits& limits) {
    const auto data = parse_signed_data(content, limits);
    if (!data) {
        return fail(ErrorCode::scep_inner, "the decrypted content of the reply is no set of CRLs",
                    data.error().what() + (data.error().why().empty() ? "" : ": " + data.error().why()));
    }
    if (data->crls.size() != 1) {
        return fail(ErrorCode::crl_unusable,
                    data->crls.empty() ? "the reply to GetCRL holds no CRL"
                                       : fmt::format("the reply to GetCRL holds {} CRLs", data->crls.size()),
                    fmt::format("beside {} certificates", data->certificates.size()));
    }
    ReceivedCrl received{to_bytes(data->crls.front()), {}};
    if (!data->certificates.empty()) {
        received.warnings.push_back(
            fmt::format("{} certificates beside the CRL were ignored", data->certificates.size()));
    }
    return received;
}

}  // namespace hwenroll::scep
