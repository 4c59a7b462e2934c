#include "transport/scep/ca_set.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/ca_chain.h"
#include "transport/scep/ca_roles.h"
#include "transport/scep/crl.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_listed = 8;  // certificates in the text of one error

// ----- reading a body -----

tl::unexpected<Error> not_scep(ByteView body) {
    constexpr std::size_t shown = 60;
    const std::string begin = printable(as_text(body.first(std::min(body.size(), shown))));
    const bool pem = as_text(body).find("-----BEGIN") != std::string_view::npos;
    return fail(ErrorCode::ca_not_scep, "the body of GetCACert is no certificate and no set of them",
                body.empty()
                    ? "it is empty"
                    : fmt::format("it is {} and begins with '{}'", pem ? "PEM text" : "something else", begin));
}

/// A ContentInfo begins with an object identifier, a certificate with another SEQUENCE (CT-6: labels lie).
bool is_content_info(ByteView body) {
    BerFault fault;
    BerReader outer(body, fault);
    BerReader members = outer.enter(tag::sequence, "the body");
    return members.next_if(tag::object_identifier).has_value();
}

Result<std::vector<Certificate>> read_set(ByteView body, const ParseLimits& limits) {
    // The count is judged here, so that too many certificates are told from a malformed set (BAD-32).
    ParseLimits any_number = limits;
    any_number.max_certificates = std::numeric_limits<std::size_t>::max();
    auto set = parse_signed_data(body, any_number);
    if (!set) {
        return fail(std::move(set).error());
    }
    if (set->certificates.size() > limits.max_certificates) {
        return fail(ErrorCode::ca_certificate, "the CA sent too many certificates",
                    fmt::format("{}; {} are accepted", set->certificates.size(), limits.max_certificates));
    }
    auto certificates = certificates_of(*set);
    if (certificates && certificates->empty()) {
        return fail(ErrorCode::ca_certificate, "the CA sent a set without any certificate");
    }
    return certificates;
}

// ----- the anchor -----

Error no_match(const std::vector<Certificate>& received) {
    std::string list;
    for (std::size_t i = 0; i < std::min(received.size(), max_listed); ++i) {
        list += (i == 0 ? "received: " : ", ") + identify(received[i]);
    }
    if (received.size() > max_listed) {
        list += fmt::format(" and {} more", received.size() - max_listed);
    }
    return Error(ErrorCode::ca_fingerprint,
                 fmt::format("none of the {} certificates of the CA has a pinned fingerprint", received.size()), list);
}

/// Empty, or why `certificate` cannot be the pinned CA.
std::string anchor_objection(const Certificate& certificate, TimePoint now, const ParseLimits& limits) {
    if (!certificate.is_ca()) {
        return "it is no CA certificate";  // BAD-26
    }
    if ((certificate.key_usage() & KU_KEY_CERT_SIGN) == 0) {
        return "its key usage does not allow signing certificates";
    }
    return unfitness(certificate, now, limits);
}

/// The first acceptable match in the order of the pins: with several of them, an operator puts the preferred one first.
Result<Certificate> find_anchor(const std::vector<Certificate>& received, const std::vector<Bytes>& pinned,
                                TimePoint now, const ParseLimits& limits) {
    std::optional<Error> refused;
    for (const Bytes& pin : pinned) {
        const auto match = std::ranges::find(received, pin, &Certificate::fingerprint);
        if (match == received.end()) {
            continue;
        }
        std::string reason = anchor_objection(*match, now, limits);
        if (reason.empty()) {
            return *match;
        }
        if (!refused) {
            refused = Error(ErrorCode::ca_certificate,
                            "the pinned certificate " + identify(*match) + " cannot be trusted", std::move(reason));
        }
    }
    return fail(refused ? *std::move(refused) : no_match(received));
}

Result<CaSet> give_roles(const std::vector<Certificate>& received, const CaExpectation& expected) {
    const auto anchor = find_anchor(received, expected.pinned, expected.now, expected.limits);
    if (!anchor) {
        return fail(anchor.error());
    }
    const auto chain = chain_to_anchor(*anchor, received, expected.now, expected.limits, expected.legacy);
    if (!chain) {
        return fail(chain.error());
    }
    return assign_roles(*chain, expected.ras, expected.by_password);
}

/// SEC-3: where the RA that would receive requests is revoked another one takes its place, but never the CA itself:
/// what is encrypted to that an RA cannot open.
Result<CaSet> without_revoked(CaSet set, const std::vector<Certificate>& received, const CaExpectation& expected) {
    std::vector<Certificate> revoked = drop_revoked_signers(set, expected.is_revoked);
    const auto is_among = [&](const Certificate& one) { return std::ranges::find(revoked, one) != revoked.end(); };
    if (!is_among(set.recipient)) {
        set.revoked = std::move(revoked);
        return set;
    }
    std::vector<Certificate> others = received;
    std::erase_if(others, is_among);
    auto other = give_roles(others, expected);
    const bool good =
        other && other->issuer == set.issuer && other->recipient != other->issuer && other->recipient != other->anchor;
    if (!good) {
        return fail(ErrorCode::ca_certificate,
                    fmt::format("the RA certificate '{}' is revoked", set.recipient.subject().text()),
                    "requests would be encrypted to it",
                    "the CA's operator must replace it; it is fetched by itself then");
    }
    other->revoked = std::move(revoked);
    return other;
}

}  // namespace

Result<std::vector<Certificate>> parse_ca_certificates(ByteView body, const ParseLimits& limits) {
    constexpr std::uint8_t sequence = 0x30;
    if (body.size() > limits.max_message) {
        return fail(ErrorCode::ca_too_big, "the body of GetCACert is too large",
                    fmt::format("{} octets; {} are accepted", body.size(), limits.max_message));
    }
    if (body.empty() || body[0] != sequence) {
        return not_scep(body);
    }
    const auto size = check_ber(body, limits.max_depth);
    if (!size) {
        return fail(size.error());
    }
    if (is_content_info(body)) {
        return read_set(body, limits);
    }
    auto certificate = Certificate::from_der(body);
    if (!certificate) {
        return fail(std::move(certificate).error());
    }
    return std::vector<Certificate>{*std::move(certificate)};
}

Result<CaSet> authenticate(const std::vector<Certificate>& received, const CaExpectation& expected) {
    auto set = give_roles(received, expected);
    return set && expected.is_revoked ? without_revoked(*std::move(set), received, expected) : set;
}

}  // namespace hwenroll::scep
