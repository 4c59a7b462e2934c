#include "transport/scep/ca_roles.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/object_identifiers.h"

namespace hwenroll::scep {
namespace {

using Indices = std::vector<std::size_t>;  // of members of a CaChain

bool is_later(const Certificate& a, const Certificate& b) {
    return a.not_before() != b.not_before() ? a.not_before() > b.not_before() : a.der() < b.der();
}

// ----- RAs -----

/// A purpose that a CA gives to no ordinary client.
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

bool is_pinned(const Certificate& certificate, const RaRule& rule) {
    return std::ranges::find(rule.fingerprints, certificate.fingerprint()) != rule.fingerprints.end();
}

/// Empty, or why an end entity's certificate is no RA's under `rule` (SIG-13, BAD-27).
std::string ra_objection(const Certificate& certificate, const RaRule& rule) {
    switch (rule.kind) {
        case RaRule::Kind::eku:
            return has_ra_purpose(certificate)
                       ? std::string()
                       : "it is no CA and has neither the purpose cmcRA nor certificate request agent; if the CA's "
                         "operator says that it is the RA, set ra = \"pinned\" and put its fingerprint into "
                         "'ra_fingerprints'";
        case RaRule::Kind::pinned:
            return is_pinned(certificate, rule) ? std::string() : "it is no CA and is not in 'ra_fingerprints'";
        case RaRule::Kind::issued_by_ca:
            break;
    }
    return {};
}

void warn_of_unused(const Certificate& certificate, const std::string& reason, std::vector<std::string>& warnings) {
    warnings.push_back(fmt::format("certificate {} is not used: {}", identify(certificate), reason));
}

/// The RAs of any CA in the chain.
Indices find_ras(const CaChain& chain, const RaRule& rule, std::vector<std::string>& warnings) {
    Indices ras;
    for (std::size_t i = 1; i < chain.members.size(); ++i) {
        const Certificate& certificate = chain.members[i].certificate;
        if (certificate.is_ca()) {
            continue;
        }
        if (std::string reason = ra_objection(certificate, rule); reason.empty()) {
            ras.push_back(i);
        } else {
            warn_of_unused(certificate, reason, warnings);
        }
    }
    if (rule.kind == RaRule::Kind::pinned && ras.empty()) {
        warnings.emplace_back("no certificate in 'ra_fingerprints' was received; the CA itself is taken for the RA");
    }
    return ras;
}

/// Those that `issuer` itself issued. An RA of a sibling below the same root must neither read requests to this CA nor
/// sign its replies (SEC-4, SIG-12).
std::vector<Certificate> ras_of(std::size_t issuer, const Indices& ras, const CaChain& chain,
                                std::vector<std::string>& warnings) {
    std::vector<Certificate> own;
    for (const std::size_t index : ras) {
        const ChainMember& ra = chain.members[index];
        if (ra.parent == issuer) {
            own.push_back(ra.certificate);
        } else {
            warn_of_unused(ra.certificate, "it is the RA of another CA than the one that issues", warnings);
        }
    }
    return own;
}

// ----- the issuer -----

/// The lowest of `candidates`, which are not none, and of several the newest.
std::size_t lowest_and_newest(const CaChain& chain, const Indices& candidates) {
    return *std::ranges::min_element(candidates, [&](std::size_t a, std::size_t b) {
        const ChainMember& one = chain.members[a];
        const ChainMember& other = chain.members[b];
        return one.depth != other.depth ? one.depth > other.depth : is_later(one.certificate, other.certificate);
    });
}

Indices issuers_of(const Indices& ras, const CaChain& chain) {
    Indices issuers;
    for (const std::size_t ra : ras) {
        const std::size_t parent = chain.members[ra].parent;
        if (std::ranges::find(issuers, parent) == issuers.end()) {
            issuers.push_back(parent);
        }
    }
    return issuers;
}

Indices cas_below_anchor(const CaChain& chain) {
    Indices cas;
    for (std::size_t i = 1; i < chain.members.size(); ++i) {
        if (chain.members[i].certificate.is_ca()) {
            cas.push_back(i);
        }
    }
    return cas;
}

/// Anybody on the path can add a CA and its RA to a set. Where several CAs have RAs, to choose by age or depth would
/// let the holder of any RA below the root receive the challenges that are meant for another (SEC-4).
Error undecidable(const CaChain& chain, const Indices& issuers) {
    std::string list;
    for (const std::size_t issuer : issuers) {
        list += (list.empty() ? "they belong to " : " and ") + identify(chain.members[issuer].certificate);
    }
    return Error(
        ErrorCode::ca_certificate,
        fmt::format("the CA sent RA certificates of {} CAs, and nothing tells which of these issues", issuers.size()),
        list,
        "put the fingerprint of the CA that issues into 'fingerprint', or set ra = \"pinned\" with "
        "'ra_fingerprints'");
}

/// Without RAs: the lowest CA below the anchor, or the anchor when there is none (CACERT-9). Fails when CAs below the
/// anchor were received but none is acceptable (BAD-29, BAD-37): a request to the anchor in its place would be one to
/// the wrong CA.
Result<std::size_t> choose_without_ras(const CaChain& chain, std::vector<std::string>& warnings) {
    const Indices cas = cas_below_anchor(chain);
    if (cas.empty()) {
        const auto bad = std::ranges::find_if(chain.dropped, [](const DroppedCertificate& dropped) {
            return dropped.signed_below_anchor && dropped.certificate.is_ca();
        });
        if (bad != chain.dropped.end()) {
            return fail(ErrorCode::ca_certificate,
                        "the issuing CA " + identify(bad->certificate) + " is not acceptable", bad->reason);
        }
        return 0;
    }
    const std::size_t chosen = lowest_and_newest(chain, cas);
    const auto beside = std::ranges::count_if(
        cas, [&](std::size_t i) { return chain.members[i].depth == chain.members[chosen].depth; });
    if (beside > 1) {
        warnings.push_back(fmt::format(
            "{} CAs stand side by side below the pinned one; the newest, {}, is taken for the one that issues", beside,
            identify(chain.members[chosen].certificate)));
    }
    return chosen;
}

/// The CA that will issue (CACERT-9). Its RAs show it, so that a sibling which was added to the set changes nothing.
Result<std::size_t> choose_issuer(const CaChain& chain, const Indices& ras, const RaRule& rule,
                                  std::vector<std::string>& warnings) {
    const Indices issuers = issuers_of(ras, chain);
    if (issuers.empty()) {
        return choose_without_ras(chain, warnings);
    }
    if (issuers.size() > 1 && rule.kind != RaRule::Kind::pinned) {
        return fail(undecidable(chain, issuers));
    }
    const std::size_t chosen = lowest_and_newest(chain, issuers);
    if (const Indices cas = cas_below_anchor(chain); !cas.empty() && lowest_and_newest(chain, cas) != chosen) {
        warnings.push_back(
            fmt::format("{} is taken for the CA that issues, since the RA is its own, although other CAs were received",
                        identify(chain.members[chosen].certificate)));
    }
    return chosen;
}

// ----- the recipient -----

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

}  // namespace

Result<CaSet> assign_roles(const CaChain& chain, const RaRule& rule) {
    std::vector<std::string> warnings;
    for (const DroppedCertificate& dropped : chain.dropped) {
        warn_of_unused(dropped.certificate, dropped.reason, warnings);
    }
    const Indices all_ras = find_ras(chain, rule, warnings);
    const auto issuer_index = choose_issuer(chain, all_ras, rule, warnings);
    if (!issuer_index) {
        return fail(issuer_index.error());
    }
    const Certificate& issuer = chain.members[*issuer_index].certificate;
    const std::vector<Certificate> ras = ras_of(*issuer_index, all_ras, chain, warnings);
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

}  // namespace hwenroll::scep
