#include "transport/scep/ca_roles.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/certificate_path.h"
#include "transport/scep/object_identifiers.h"

namespace hwenroll::scep {
namespace {

using Indices = std::vector<std::size_t>;  // of members of a CaChain

bool is_later(const Certificate& a, const Certificate& b) {
    return a.not_before() != b.not_before() ? a.not_before() > b.not_before() : a.der() < b.der();
}

// ----- CAs with several certificates -----

/// A renewed CA certificate keeps name and key, and what either of the two issued is of one CA.
bool is_same_ca(const CaChain& chain, std::size_t a, std::size_t b) {
    const Certificate& one = chain.members[a].certificate;
    const Certificate& other = chain.members[b].certificate;
    return a == b ||
           (one.is_ca() && other.is_ca() && one.subject() == other.subject() && one.public_key() == other.public_key());
}

/// The newest certificate of the CA `index`, among those at its depth: with cross-signed CAs, a path over any depth
/// could lead back to where it came from (BAD-31).
std::size_t newest_of(const CaChain& chain, std::size_t index) {
    std::size_t newest = index;
    for (std::size_t i = 0; i < chain.members.size(); ++i) {
        if (is_same_ca(chain, i, index) && chain.members[i].depth == chain.members[index].depth &&
            is_later(chain.members[i].certificate, chain.members[newest].certificate)) {
            newest = i;
        }
    }
    return newest;
}

/// From `issuer` up to the anchor, with the newest certificate of each CA.
Indices path_from(const CaChain& chain, std::size_t issuer) {
    Indices path{newest_of(chain, issuer)};
    while (path.back() != 0) {
        path.push_back(newest_of(chain, chain.members[path.back()].parent));
    }
    return path;
}

bool is_on(const Indices& path, std::size_t ca, const CaChain& chain) {
    return std::ranges::any_of(path, [&](std::size_t index) { return is_same_ca(chain, index, ca); });
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
                       : "it is no CA and has neither the purpose cmcRA nor certificate request agent";
        case RaRule::Kind::pinned:
            return is_pinned(certificate, rule) ? std::string() : "it is no CA and is not in 'ra_fingerprints'";
        case RaRule::Kind::issued_by_ca:
            break;
    }
    return {};
}

/// The lines that make an RA of `candidate` as well as of those that are RAs already. Nothing in a set vouches for its
/// end entities, so the CA's operator has to.
std::string pinning_advice(const Certificate& candidate, const CaChain& chain, const RaRule& rule) {
    std::string list;
    for (const ChainMember& member : chain.members) {
        const Certificate& one = member.certificate;
        if (one == candidate || (!one.is_ca() && ra_objection(one, rule).empty())) {
            list += fmt::format("{}\"SHA256:{}\"", list.empty() ? "" : ", ", to_hex(one.fingerprint(), ':'));
        }
    }
    return fmt::format("if the CA's operator says that it is the RA, set ra = \"pinned\" and ra_fingerprints = [{}]",
                       list);
}

/// The certificates of a set that get no role.
class Unused {
 public:
    void add(const Certificate& certificate, const std::string& reason) {
        if (count_ < max_named) {
            named_ += fmt::format("{}{}: {}", count_ == 0 ? "" : "; ", identify(certificate), reason);
        }
        ++count_;
    }

    /// One line, however many an attacker has added; empty: there are none. It advises nothing: what would make an RA
    /// of one is told where a request needs it.
    [[nodiscard]] std::string warning() const {
        if (count_ < 2) {
            return count_ == 0 ? std::string() : "a certificate is not used: " + named_;
        }
        const std::string more = count_ > max_named ? fmt::format("; and {} more", count_ - max_named) : std::string();
        return fmt::format("{} certificates are not used: {}{}", count_, named_, more);
    }

 private:
    static constexpr std::size_t max_named = 3;
    std::string named_;
    std::size_t count_ = 0;
};

/// The RAs of any CA in the chain.
Indices find_ras(const CaChain& chain, const RaRule& rule, std::vector<UnusedCertificate>& unused) {
    Indices ras;
    for (std::size_t i = 1; i < chain.members.size(); ++i) {
        const Certificate& certificate = chain.members[i].certificate;
        if (certificate.is_ca()) {
            continue;
        }
        if (std::string reason = ra_objection(certificate, rule); reason.empty()) {
            ras.push_back(i);
        } else {
            unused.push_back({certificate, std::move(reason), pinning_advice(certificate, chain, rule)});
        }
    }
    return ras;
}

/// What would be RAs of the issuing CA, the first of `path`, had they not expired (C15).
std::vector<UnusedCertificate> expired_ras(const CaChain& chain, const Indices& path, const RaRule& rule) {
    const auto belongs = [&](const Certificate& ra) {
        return std::ranges::any_of(path, [&](std::size_t ca) {
            const bool may_issue = rule.kind == RaRule::Kind::pinned || ca == path.front();
            return may_issue && is_issued_by(ra, chain.members[ca].certificate);
        });
    };
    std::vector<UnusedCertificate> expired;
    for (const DroppedCertificate& dropped : chain.dropped) {
        if (dropped.expired && !dropped.certificate.is_ca() && ra_objection(dropped.certificate, rule).empty() &&
            belongs(dropped.certificate)) {
            expired.push_back({dropped.certificate, dropped.reason, "the CA's operator must renew it"});
        }
    }
    return expired;
}

/// Empty, or why the pinned RA `pin` cannot be used.
std::string pin_objection(const Bytes& pin, const CaChain& chain) {
    const std::string name = "SHA256:" + to_hex(pin, ':');
    const auto dropped = std::ranges::find_if(
        chain.dropped, [&](const DroppedCertificate& d) { return d.certificate.fingerprint() == pin; });
    if (dropped != chain.dropped.end()) {
        return identify(dropped->certificate) + ": " + dropped->reason;
    }
    const bool received = std::ranges::any_of(
        chain.members, [&](const ChainMember& member) { return member.certificate.fingerprint() == pin; });
    return name + (received ? ": it is a CA certificate" : ": it was not received");
}

/// An operator who names the RAs wants no request to go to anybody else, the CA included.
Error no_pinned_ra(const CaChain& chain, const RaRule& rule) {
    std::string list;
    for (const Bytes& pin : rule.fingerprints) {
        list += (list.empty() ? "" : "; ") + pin_objection(pin, chain);
    }
    return Error(ErrorCode::ca_certificate, "none of the RA certificates in 'ra_fingerprints' can be used",
                 list.empty() ? "the list is empty" : list,
                 "ask the CA's operator for the fingerprint of the present RA certificate and put it into "
                 "'ra_fingerprints'");
}

/// Those that the issuer itself issued, which is at the start of `path`; a pinned one may be of any CA on the path. An
/// RA of a sibling below the same root must neither read requests to this CA nor sign its replies (SEC-4, SIG-12).
std::vector<Certificate> ras_of(const Indices& path, const Indices& ras, const CaChain& chain, const RaRule& rule,
                                Unused& unused) {
    std::vector<Certificate> own;
    for (const std::size_t index : ras) {
        const ChainMember& ra = chain.members[index];
        if (rule.kind == RaRule::Kind::pinned ? is_on(path, ra.parent, chain)
                                              : is_same_ca(chain, path.front(), ra.parent)) {
            own.push_back(ra.certificate);
        } else {
            unused.add(ra.certificate, "it is the RA of another CA than the one that issues");
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
        if (!is_on(issuers, parent, chain)) {
            issuers.push_back(newest_of(chain, parent));
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

/// Anybody on the path can add a CA and its RA to a set. To choose among CAs by age or depth, or by who has an RA,
/// would let the holder of any RA below the root receive the challenges that are meant for another (SEC-4).
Error undecidable(const CaChain& chain, const Indices& ra_bearing, const Indices& others) {
    const auto list = [&](const Indices& cas) {
        std::string names;
        for (const std::size_t ca : cas) {
            names += (names.empty() ? "" : " and ") + identify(chain.members[ca].certificate);
        }
        return names;
    };
    return Error(
        ErrorCode::ca_certificate,
        fmt::format(
            "the CA sent several CA certificates and RA certificates of {} of them, and nothing tells which CA issues",
            ra_bearing.size()),
        "they belong to " + list(ra_bearing) +
            (others.empty() ? std::string() : ", and beside them was received " + list(others)),
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
    const auto beside =
        1 + std::ranges::count_if(cas, [&](std::size_t i) {
            return chain.members[i].depth == chain.members[chosen].depth && !is_same_ca(chain, i, chosen);
        });
    if (beside > 1) {
        warnings.push_back(fmt::format(
            "{} CAs stand side by side below the pinned one; the newest, {}, is taken for the one that issues", beside,
            identify(chain.members[chosen].certificate)));
    }
    return chosen;
}

/// The CAs below the anchor that are not on `path`.
Indices cas_beside(const Indices& path, const CaChain& chain) {
    Indices beside;
    for (const std::size_t ca : cas_below_anchor(chain)) {
        if (!is_on(path, ca, chain)) {
            beside.push_back(ca);
        }
    }
    return beside;
}

/// The RAs that the operator named show where the CA is: it is the lowest below the CA that issued them.
std::size_t lowest_below(std::size_t ra_bearing, const CaChain& chain) {
    Indices below{ra_bearing};
    for (const std::size_t ca : cas_below_anchor(chain)) {
        if (is_on(path_from(chain, ca), ra_bearing, chain)) {
            below.push_back(ca);
        }
    }
    return lowest_and_newest(chain, below);
}

/// The CA that will issue (CACERT-9), where the set leaves no choice or the operator named the RAs.
Result<std::size_t> choose_issuer(const CaChain& chain, const Indices& ras, const RaRule& rule,
                                  std::vector<std::string>& warnings) {
    const Indices ra_bearing = issuers_of(ras, chain);
    if (rule.kind != RaRule::Kind::pinned) {
        if (ra_bearing.empty()) {
            return choose_without_ras(chain, warnings);
        }
        const Indices beside = cas_beside(path_from(chain, ra_bearing.front()), chain);
        if (ra_bearing.size() > 1 || !beside.empty()) {
            return fail(undecidable(chain, ra_bearing, ra_bearing.size() > 1 ? Indices{} : beside));
        }
        return ra_bearing.front();
    }
    if (ra_bearing.empty()) {
        return fail(no_pinned_ra(chain, rule));
    }
    const std::size_t chosen = lowest_below(lowest_and_newest(chain, ra_bearing), chain);
    if (!cas_beside(path_from(chain, chosen), chain).empty()) {
        warnings.push_back(
            fmt::format("{} is taken for the CA that issues, as the pinned RA shows, although other CAs were received",
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

/// C15: the CA's own certificate is no substitute for that of an RA: what is encrypted to it the RA cannot open, and
/// the operator would hear of that only as badMessageCheck.
Error recipient_expired(const UnusedCertificate& ra) {
    return Error(ErrorCode::ca_certificate,
                 fmt::format("the RA certificate {} expired at {}", identify(ra.certificate),
                             to_iso8601(ra.certificate.not_after())),
                 "requests would have to be encrypted to it",
                 "the CA's operator must renew it; it is fetched by itself then");
}

Result<Certificate> choose_recipient(const Certificate& issuer, const std::vector<Certificate>& ras,
                                     const std::vector<UnusedCertificate>& unused,
                                     const std::vector<UnusedCertificate>& expired, bool by_password) {
    const Certificate* best = &issuer;
    int best_rank = recipient_rank(issuer, false);
    for (const Certificate& ra : ras) {
        const int rank = recipient_rank(ra, true);
        if (rank > best_rank || (rank == best_rank && rank != 0 && is_later(ra, *best))) {
            best = &ra;
            best_rank = rank;
        }
    }
    if (best == &issuer) {
        for (const UnusedCertificate& ra : expired) {
            if (recipient_rank(ra.certificate, true) > 0) {
                return fail(recipient_expired(ra));
            }
        }
    }
    if (best_rank == 0 && !by_password) {  // ENV-7, ENV-8
        const auto is_able = [](const UnusedCertificate& one) { return recipient_rank(one.certificate, true) > 0; };
        // Of several, which of them is the CA's only its operator knows: anybody may have added one (SEC-4).
        const bool one_is_able = std::ranges::count_if(unused, is_able) == 1;
        const UnusedCertificate* const able = one_is_able ? &*std::ranges::find_if(unused, is_able) : nullptr;
        return fail(
            ErrorCode::ca_no_recipient, "no certificate of the CA can receive an encrypted request",
            "none of " + identify(issuer) +
                fmt::format(" and its {} RA certificates has an RSA key for encryption", ras.size()) +
                (able == nullptr ? "" : "; it sent " + identify(able->certificate) + " too, but " + able->reason),
            able == nullptr ? "have the CA's operator provide an RSA certificate for SCEP, or set envelope = "
                              "\"password\" if the CA takes requests that are encrypted under the challenge"
                            : able->advice);
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
    if (recipient.public_key().is_rsa() && lacks(recipient, KU_KEY_ENCIPHERMENT)) {
        warnings.push_back("the key usage of " + identify(recipient) +
                           ", to which requests are encrypted, lacks keyEncipherment (RFC 8894 §2.1.2)");
    }
}

/// The certificates of the CAs on `path` without the anchor, then their older ones: what names its issuer by serial
/// number leads to no other.
std::vector<Certificate> intermediates_of(const CaChain& chain, const Indices& path) {
    std::vector<Certificate> intermediates;
    for (const std::size_t index : path) {
        if (index != 0) {
            intermediates.push_back(chain.members[index].certificate);
        }
    }
    for (const std::size_t ca : cas_below_anchor(chain)) {
        if (is_on(path, ca, chain) && std::ranges::find(path, ca) == path.end()) {
            intermediates.push_back(chain.members[ca].certificate);
        }
    }
    return intermediates;
}

/// SIG-12. A reply may name any certificate of the issuer, old or new.
std::vector<Certificate> signers_of(const CaChain& chain, std::size_t issuer, const std::vector<Certificate>& ras) {
    std::vector<Certificate> signers{chain.members[issuer].certificate};
    signers.insert(signers.end(), ras.begin(), ras.end());
    for (std::size_t i = 0; i < chain.members.size(); ++i) {
        if (i != issuer && is_same_ca(chain, i, issuer)) {
            signers.push_back(chain.members[i].certificate);
        }
    }
    return signers;
}

}  // namespace

Result<CaSet> assign_roles(const CaChain& chain, const RaRule& rule, bool by_password) {
    Unused without_role;
    for (const DroppedCertificate& dropped : chain.dropped) {
        without_role.add(dropped.certificate, dropped.reason);
    }
    std::vector<UnusedCertificate> unused;
    const Indices all_ras = find_ras(chain, rule, unused);
    for (const UnusedCertificate& one : unused) {
        without_role.add(one.certificate, one.reason);
    }
    std::vector<std::string> warnings;
    const auto chosen = choose_issuer(chain, all_ras, rule, warnings);
    if (!chosen) {
        return fail(chosen.error());
    }
    const Indices path = path_from(chain, *chosen);
    const Certificate& issuer = chain.members[path.front()].certificate;
    const std::vector<Certificate> ras = ras_of(path, all_ras, chain, rule, without_role);
    const std::vector<UnusedCertificate> expired = expired_ras(chain, path, rule);
    auto recipient = choose_recipient(issuer, ras, unused, expired, by_password);
    if (!recipient) {
        return fail(std::move(recipient).error());
    }
    warn_of_usage(issuer, *recipient, ras.empty(), warnings);
    if (std::string line = without_role.warning(); !line.empty()) {
        warnings.push_back(std::move(line));
    }
    unused.insert(unused.end(), expired.begin(), expired.end());
    return CaSet{chain.members[0].certificate,
                 issuer,
                 *std::move(recipient),
                 signers_of(chain, path.front(), ras),
                 intermediates_of(chain, path),
                 std::move(warnings),
                 std::move(unused)};
}

std::optional<Certificate> best_recipient(const CaSet& set, const std::function<bool(const Certificate&)>& acceptable) {
    std::optional<Certificate> best;
    for (const Certificate& ra : set.signers) {
        const int rank = ra.is_ca() || !acceptable(ra) ? 0 : recipient_rank(ra, true);
        const int best_rank = best ? recipient_rank(*best, true) : 0;
        if (rank > best_rank || (rank != 0 && rank == best_rank && is_later(ra, *best))) {
            best = ra;
        }
    }
    return best;
}

}  // namespace hwenroll::scep
