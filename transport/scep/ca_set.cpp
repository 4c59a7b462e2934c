#include "transport/scep/ca_set.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/ca_chain.h"
#include "transport/scep/object_identifiers.h"
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
    // One that cannot be read, say for its new kind of key, must not keep us from the others.
    std::vector<Certificate> certificates;
    std::optional<Error> unreadable;
    for (const ByteView encoding : set->certificates) {
        auto certificate = Certificate::from_der(encoding);
        if (!certificate) {
            unreadable = std::move(certificate).error();
        } else if (std::ranges::find(certificates, *certificate) == certificates.end()) {
            certificates.push_back(*std::move(certificate));
        }
    }
    if (certificates.empty()) {
        return fail(unreadable ? *std::move(unreadable)
                               : Error(ErrorCode::ca_certificate, "the CA sent a set without any certificate"));
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

// ----- roles -----

bool is_later(const Certificate& a, const Certificate& b) {
    return a.not_before() != b.not_before() ? a.not_before() > b.not_before() : a.der() < b.der();
}

/// The CA that will issue: the lowest below the anchor, or the anchor when there is none (CACERT-9). Fails when CAs
/// below the anchor were received but none is acceptable (BAD-29, BAD-37): a request to the anchor in its place would
/// be one to the wrong CA.
Result<std::size_t> choose_issuer(const CaChain& chain, std::vector<std::string>& warnings) {
    const auto& members = chain.members;
    std::vector<std::size_t> lowest;
    for (std::size_t i = 1; i < members.size(); ++i) {
        if (!members[i].certificate.is_ca() || (!lowest.empty() && members[lowest[0]].depth > members[i].depth)) {
            continue;
        }
        if (!lowest.empty() && members[lowest[0]].depth < members[i].depth) {
            lowest.clear();
        }
        lowest.push_back(i);
    }
    if (lowest.empty()) {
        const auto bad = std::ranges::find_if(chain.dropped, [](const DroppedCertificate& dropped) {
            return dropped.signed_below_anchor && dropped.certificate.is_ca();
        });
        if (bad != chain.dropped.end()) {
            return fail(ErrorCode::ca_certificate,
                        "the issuing CA " + identify(bad->certificate) + " is not acceptable", bad->reason);
        }
        return 0;
    }
    std::ranges::sort(
        lowest, [&](std::size_t a, std::size_t b) { return is_later(members[a].certificate, members[b].certificate); });
    if (lowest.size() > 1) {
        warnings.push_back(fmt::format(
            "{} CAs stand side by side below the pinned one; the newest, {}, is taken for the one that issues",
            lowest.size(), identify(members[lowest[0]].certificate)));
    }
    return lowest[0];
}

/// SIG-13, strict: only a purpose that a CA gives to no ordinary client makes an RA.
bool has_ra_purpose(const Certificate& certificate) {
    const OpenSslPtr<EXTENDED_KEY_USAGE> purposes(
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate.get(), NID_ext_key_usage, nullptr, nullptr)));
    for (const auto wanted : {oid_cmc_ra, oid_certificate_request_agent}) {
        const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(wanted, 1));
        for (int i = 0; purposes && i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
            if (OBJ_cmp(sk_ASN1_OBJECT_value(purposes.get(), i), object.get()) == 0) {
                return true;
            }
        }
    }
    return false;
}

/// The RA certificates; others of end entities are named in a warning (BAD-27).
std::vector<Certificate> find_ras(const CaChain& chain, std::vector<std::string>& warnings) {
    std::vector<Certificate> ras;
    for (const ChainMember& member : chain.members) {
        if (member.certificate.is_ca()) {
            continue;
        }
        if (has_ra_purpose(member.certificate)) {
            ras.push_back(member.certificate);
        } else {
            warnings.push_back(fmt::format(
                "certificate {} is not used: it is no CA and has neither the purpose cmcRA nor certificate request "
                "agent; if the CA's operator says that it is the RA, pin it with ra = \"pinned\" and 'ra_fingerprints'",
                identify(member.certificate)));
        }
    }
    return ras;
}

/// Place in the order of ENV-2; 0 cannot receive.
int recipient_rank(const Certificate& certificate, bool is_ra) {
    if (!certificate.public_key().is_rsa()) {
        return 0;
    }
    const std::uint32_t usage = certificate.key_usage();
    const bool unrestricted = usage == std::numeric_limits<std::uint32_t>::max();
    const bool key_encipherment = !unrestricted && (usage & KU_KEY_ENCIPHERMENT) != 0;
    if (!is_ra) {
        return key_encipherment ? 2 : 1;
    }
    if (key_encipherment) {
        return 5;
    }
    if (unrestricted) {
        return 3;
    }
    return (usage & KU_DATA_ENCIPHERMENT) != 0 ? 4 : 0;
}

Result<Certificate> choose_recipient(const Certificate& issuer, const std::vector<Certificate>& ras) {
    const Certificate* best = &issuer;
    int best_rank = recipient_rank(issuer, false);
    for (const Certificate& ra : ras) {
        const int rank = recipient_rank(ra, true);
        if (rank > best_rank || (rank == best_rank && rank != 0 && is_later(ra, *best))) {
            best = &ra;
            best_rank = rank;
        }
    }
    if (best_rank == 0) {
        return fail(ErrorCode::ca_no_recipient, "no certificate of the CA can receive an encrypted request",
                    "none of " + identify(issuer) +
                        fmt::format(" and its {} RA certificates has an RSA key for encryption", ras.size()));
    }
    return *best;
}

/// CACERT-10: many CAs lack these bits and work nevertheless.
void warn_of_usage(const Certificate& issuer, const Certificate& recipient, bool signs_itself,
                   std::vector<std::string>& warnings) {
    const auto lacks = [](const Certificate& certificate, std::uint32_t flag) {
        return (certificate.key_usage() & flag) == 0;
    };
    if (signs_itself && lacks(issuer, KU_DIGITAL_SIGNATURE)) {
        warnings.push_back("the key usage of the CA certificate " + identify(issuer) +
                           " lacks digitalSignature, which signing replies needs (RFC 8894 §2.1.2)");
    }
    if (lacks(recipient, KU_KEY_ENCIPHERMENT)) {
        warnings.push_back("the key usage of " + identify(recipient) +
                           ", to which requests are encrypted, lacks keyEncipherment (RFC 8894 §2.1.2)");
    }
}

/// CA certificates from `issuer` up, without the anchor.
std::vector<Certificate> intermediates_of(const CaChain& chain, std::size_t issuer) {
    std::vector<Certificate> path;
    for (std::size_t index = issuer; index != 0; index = chain.members[index].parent) {
        path.push_back(chain.members[index].certificate);
    }
    return path;
}

Result<CaSet> assign_roles(const CaChain& chain) {
    std::vector<std::string> warnings;
    for (const DroppedCertificate& dropped : chain.dropped) {
        warnings.push_back(
            fmt::format("certificate {} is not used: {}", identify(dropped.certificate), dropped.reason));
    }
    const auto issuer_index = choose_issuer(chain, warnings);
    if (!issuer_index) {
        return fail(issuer_index.error());
    }
    const Certificate& issuer = chain.members[*issuer_index].certificate;
    const std::vector<Certificate> ras = find_ras(chain, warnings);
    auto recipient = choose_recipient(issuer, ras);
    if (!recipient) {
        return fail(std::move(recipient).error());
    }
    warn_of_usage(issuer, *recipient, ras.empty(), warnings);
    std::vector<Certificate> signers{issuer};
    signers.insert(signers.end(), ras.begin(), ras.end());
    return CaSet{chain.members[0].certificate,
                 issuer,
                 *std::move(recipient),
                 std::move(signers),
                 intermediates_of(chain, *issuer_index),
                 std::move(warnings)};
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

Result<CaSet> authenticate(const std::vector<Certificate>& received, const std::vector<Bytes>& pinned, TimePoint now,
                           const ParseLimits& limits) {
    const auto anchor = find_anchor(received, pinned, now, limits);
    if (!anchor) {
        return fail(anchor.error());
    }
    const auto chain = chain_to_anchor(*anchor, received, now, limits);
    if (!chain) {
        return fail(chain.error());
    }
    return assign_roles(*chain);
}

}  // namespace hwenroll::scep
