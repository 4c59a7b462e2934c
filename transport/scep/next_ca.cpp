#include "transport/scep/next_ca.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/ca_chain.h"
#include "transport/scep/cert_rep.h"
#include "transport/scep/certificate_path.h"
#include "transport/scep/der_writer.h"
#include "transport/scep/message_body.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/reply_signature.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

using Certificates = std::vector<Certificate>;

tl::unexpected<Error> refuse(std::string what, std::string why = {}, std::string next = {}) {
    return fail(ErrorCode::ca_next, std::move(what), std::move(why), std::move(next));
}

bool has(const Certificates& set, const Certificate& certificate) {
    return std::ranges::find(set, certificate) != set.end();
}

bool is_self_signed(const Certificate& certificate) {
    return certificate.is_self_issued() && is_issued_by(certificate, certificate);
}

template <class Condition>
Certificates select(const Certificates& from, Condition condition) {
    Certificates chosen;
    std::ranges::copy_if(from, std::back_inserter(chosen), condition);
    return chosen;
}

// ----- the message -----

/// The certificates of a reply.
struct Received {
    Certificates certificates;
    bool is_signed = false;  ///< in the content that the signature covers (ROLL-6)
    std::vector<std::string> warnings;
};

/// ROLL-5: the CA in force under any of its certificates, and its RAs only if the operator says so.
Certificates acceptable_signers(const NextCaExpectation& expected) {
    Certificates signers{expected.current.issuer};
    std::ranges::copy_if(expected.current.signers, std::back_inserter(signers),
                         [&](const Certificate& signer) { return signer.is_ca() || expected.ra_may_sign; });
    return signers;
}

/// The signed content as ContentInfo. RFC 5652 §5.2 wants the bare SignedData under id-signedData, and servers put
/// either form under either type (ROLL-2).
Bytes with_content_info(const Bytes& content) {
    BerFault fault;
    BerReader outer(content, fault);
    BerReader members = outer.enter(tag::sequence, "the content");
    if (!members.next_if(tag::integer)) {
        return content;
    }
    return der::constructed(der::tag_sequence,
                            {der::object_identifier(oid_signed_data), der::value(der::tag_context(0), content)});
}

Result<Certificates> read_content(const Bytes& content, const ParseLimits& limits) {
    const Bytes info = with_content_info(content);
    const auto set = parse_signed_data(info, limits);
    auto certificates = set ? certificates_of(*set) : fail(set.error());
    if (!certificates) {
        const Error& cause = certificates.error();
        return fail(ErrorCode::scep_inner, "the signed content of the reply is no set of certificates",
                    cause.what() + (cause.why().empty() ? "" : ": " + cause.why()));
    }
    return certificates;
}

Result<Received> receive(ByteView body, const NextCaExpectation& expected) {
    if (Status plausible = check_message_body(body, expected.limits); !plausible) {
        return fail(std::move(plausible).error());
    }
    const auto message = parse_signed_data(body, expected.limits);
    if (!message) {
        return fail(message.error());
    }
    auto signer = verify_signer(*message, {.transaction_id = {},
                                           .sender_nonce = {},
                                           .signers = acceptable_signers(expected),
                                           .now = expected.now,
                                           .legacy = expected.legacy,
                                           .limits = expected.limits});
    if (!signer) {
        return fail(std::move(signer).error());
    }
    if (message->content_type != oid_data && message->content_type != oid_signed_data) {
        return fail(ErrorCode::scep_structure, "the reply's content is of an unknown type",
                    name_of_oid(message->content_type));
    }
    const bool is_signed = message->content && !message->content->empty();
    auto certificates = is_signed ? read_content(*message->content, expected.limits) : certificates_of(*message);
    if (!certificates) {
        return fail(std::move(certificates).error());
    }
    return Received{*std::move(certificates), is_signed, std::move(signer->warnings)};
}

// ----- what is new -----

/// Certificates of the CA that issues now.
bool is_present_issuer(const Certificate& certificate, const CaSet& current) {
    return certificate == current.issuer || (certificate.is_ca() && has(current.signers, certificate));
}

bool is_known(const Certificate& certificate, const CaSet& current) {
    return is_present_issuer(certificate, current) || certificate == current.anchor ||
           has(current.intermediates, certificate);
}

Certificates new_cas(const Certificates& received, const CaSet& current) {
    return select(received, [&](const Certificate& certificate) {
        return certificate.is_ca() && !is_known(certificate, current);
    });
}

/// A certificate by which a new root vouches for the present one (RFC 4210 §4.4, oldWithNew): it leads nowhere new.
bool links_back(const Certificate& certificate, const CaSet& current) {
    return certificate.is_ca() && certificate.public_key() == current.anchor.public_key() &&
           !is_known(certificate, current) && !is_self_signed(certificate) && is_self_signed(current.anchor);
}

/// `received` without the issuing CA in force, and without links back unless these are all there is: a CA may also be
/// renewed with its key.
Certificates without_present(const Certificates& received, const CaSet& current) {
    const bool other_keys = std::ranges::any_of(
        new_cas(received, current), [&](const Certificate& certificate) { return !links_back(certificate, current); });
    return select(received, [&](const Certificate& certificate) {
        return !is_present_issuer(certificate, current) && !(other_keys && links_back(certificate, current));
    });
}

/// ROLL-17: nothing new, or nothing that could issue.
Error no_new_ca(const Certificates& received) {
    const auto ca = std::ranges::find_if(received, &Certificate::is_ca);
    if (received.empty() || ca != received.end()) {
        return Error(ErrorCode::ca_no_next, "the CA sent no next CA certificate",
                     received.empty() ? "the set is empty" : "the set holds only what is in force: " + identify(*ca));
    }
    return Error(ErrorCode::ca_next, "the CA's answer holds no CA certificate", "it holds " + identify(received[0]));
}

// ----- the next trust anchor -----

/// The certificates that were received of the next CA, and those of CAs above it that stay.
class NextSet {
 public:
    NextSet(const Received& received, const NextCaExpectation& expected)
        : expected_(expected),
          is_signed_(received.is_signed),
          pool_(without_present(received.certificates, expected.current)),
          new_cas_(new_cas(pool_, expected.current)) {}

    [[nodiscard]] bool is_new(const Certificate& certificate) const { return has(new_cas_, certificate); }
    [[nodiscard]] const Certificates& new_ones() const { return new_cas_; }
    Result<CaSet> authenticate_next();

    /// What authenticate_next() judged.
    [[nodiscard]] const Certificates& certificates() const { return pool_; }

 private:
    [[nodiscard]] Result<Certificate> choose_anchor() const;
    [[nodiscard]] Result<Certificate> choose_linked() const;
    [[nodiscard]] Result<Certificate> choose_signed() const;
    [[nodiscard]] Certificates present_cas_above() const;
    void drop_later_end_entities();

    const NextCaExpectation& expected_;
    bool is_signed_;
    Certificates pool_;
    Certificates new_cas_;
};

/// When all of `certificates` have become valid, the present at the earliest.
TimePoint in_force(const Certificates& certificates, TimePoint now) {
    TimePoint at = now;
    for (const Certificate& certificate : certificates) {
        at = std::max(at, certificate.not_before());
    }
    return at;
}

/// CAs in force that stand above a new one, down from the anchor, whether they were sent or not.
Certificates NextSet::present_cas_above() const {
    const CaSet& current = expected_.current;
    const Certificates present = select(current.intermediates, [&](const Certificate& certificate) {
        return !is_present_issuer(certificate, current);
    });
    Certificates pool = new_cas_;
    pool.insert(pool.end(), present.begin(), present.end());
    const TimePoint at = in_force(new_cas_, expected_.now);
    Certificates above;
    for (const Certificate& ca : new_cas_) {
        const auto path = find_path(ca, pool, current.anchor, at, expected_.limits);
        if (!path) {
            continue;
        }
        above.push_back(current.anchor);
        std::ranges::copy(*path, std::back_inserter(above));
    }
    return above;
}

/// ROLL-6: a link certificate, or the root certificate for the key that it names.
Result<Certificate> NextSet::choose_linked() const {
    const Certificate& present = expected_.current.issuer;
    const Certificates links = select(new_cas_, [&](const Certificate& certificate) {
        return certificate.subject() == present.subject() && is_issued_by(certificate, present);
    });
    if (links.empty()) {
        return refuse(
            "the next CA certificate is not part of what the CA signed",
            identify(new_cas_.front()) + " stands beside an empty signed content, where anybody can put it",
            "have the CA put it into the signed content (RFC 8894 §4.7.1), or compare its fingerprint with the "
            "CA's operator and put it into 'next_fingerprint'");
    }
    const auto root = std::ranges::find_if(new_cas_, [&](const Certificate& certificate) {
        return certificate.subject() == links.front().subject() &&
               certificate.public_key() == links.front().public_key() && is_self_signed(certificate);
    });
    return root == new_cas_.end() ? links.front() : *root;
}

Result<Certificate> NextSet::choose_signed() const {
    const auto ambiguous = [](const Certificates& several) {
        return refuse("the CA sent several next CA certificates, and nothing tells which is to be trusted",
                      identify(several[0]) + " and " + identify(several[1]),
                      "compare with the CA's operator and put the right one into 'next_fingerprint'");
    };
    const Certificates roots = select(new_cas_, is_self_signed);
    if (roots.size() > 1) {
        return ambiguous(roots);
    }
    if (!roots.empty()) {
        return roots.front();
    }
    const CaSet& current = expected_.current;
    if (current.anchor.not_after() > current.issuer.not_after() && !present_cas_above().empty()) {
        return current.anchor;
    }
    const Certificates highest = select(new_cas_, [&](const Certificate& certificate) {
        return std::ranges::none_of(new_cas_, [&](const Certificate& other) {
            return other != certificate && is_issued_by(certificate, other);
        });
    });
    return highest.size() == 1 ? Result<Certificate>(highest.front()) : ambiguous(new_cas_);
}

Result<Certificate> NextSet::choose_anchor() const {
    for (const Bytes& pin : expected_.fingerprints) {
        if (const auto match = std::ranges::find(new_cas_, pin, &Certificate::fingerprint); match != new_cas_.end()) {
            return *match;
        }
    }
    return is_signed_ ? choose_signed() : choose_linked();
}

/// Whatever becomes valid only after the next CA has taken over must not delay it.
void NextSet::drop_later_end_entities() {
    const Certificates cas = select(pool_, [](const Certificate& certificate) { return certificate.is_ca(); });
    const TimePoint takeover = std::max(in_force(cas, expected_.now), expected_.current.issuer.not_after());
    std::erase_if(pool_, [&](const Certificate& certificate) {
        return !certificate.is_ca() && certificate.not_before() > takeover;
    });
}

Result<CaSet> NextSet::authenticate_next() {
    const auto anchor = choose_anchor();
    if (!anchor) {
        return fail(anchor.error());
    }
    if (*anchor == expected_.current.anchor) {
        std::ranges::copy_if(present_cas_above(), std::back_inserter(pool_),
                             [&](const Certificate& ca) { return !has(pool_, ca); });
    }
    drop_later_end_entities();
    // Of what no signature covers an RA may have been taken away (SEC-5).
    const bool may_lack_rsa = is_signed_ || !expected_.current.recipient.public_key().is_rsa();
    auto set = authenticate(pool_, {.pinned = {anchor->fingerprint()},
                                    .now = in_force(pool_, expected_.now),
                                    .limits = expected_.limits,
                                    .ras = expected_.ras,
                                    .legacy = expected_.legacy,
                                    .by_password = expected_.by_password && may_lack_rsa});
    if (!set && set.error().code() == ErrorCode::ca_certificate) {
        const Error& cause = set.error();
        return refuse("the next CA is not acceptable", cause.what() + (cause.why().empty() ? "" : ": " + cause.why()));
    }
    return set;
}

// ----- ROLL-7, ROLL-8 -----

bool same_issuer_and_serial(const Certificate& a, const Certificate& b) {
    return a.serial() == b.serial() && a.issuer() == b.issuer();
}

/// Whether it is the one that issues, or the anchor above it: what every new CA certificate must be.
Status check_new_ca(const Certificate& ca, const NextCaExpectation& expected) {
    if ((ca.key_usage() & KU_KEY_CERT_SIGN) == 0) {
        return refuse("the next CA certificate " + identify(ca) + " is not acceptable",
                      "its key usage does not allow signing certificates");
    }
    if (!is_self_signed(ca)) {
        if (Status signature = check_signature_algorithm(ca, expected.legacy, "it"); !signature) {
            return refuse("the next CA certificate " + identify(ca) + " is not acceptable",
                          signature.error().what() + ": " + signature.error().why());
        }
    }
    if (std::ranges::find(expected.used, ca.fingerprint(), &UsedCa::fingerprint) != expected.used.end()) {
        return refuse("the next CA certificate " + identify(ca) + " was in use before",
                      "an old answer may have been replayed");
    }
    return {};
}

/// BAD-131: it must end later than every CA that has issued here.
Status check_later(const Certificate& issuer, const NextCaExpectation& expected) {
    TimePoint latest = expected.current.issuer.not_after();
    for (const UsedCa& used : expected.used) {
        latest = std::max(latest, used.not_after.value_or(latest));
    }
    if (issuer.not_after() <= latest) {
        return refuse("the next CA certificate " + identify(issuer) + " does not outlive the CAs before it",
                      fmt::format("it ends at {}, one that was in use at {}", to_iso8601(issuer.not_after()),
                                  to_iso8601(latest)));
    }
    return {};
}

/// ROLL-9, BAD-132: the server recognises by issuer and serial number which CA is meant.
Status check_distinct(const CaSet& next, const CaSet& current) {
    Certificates present = current.signers;
    present.push_back(current.issuer);
    present.push_back(current.recipient);
    for (const Certificate* certificate : {&next.issuer, &next.recipient}) {
        const auto twin = std::ranges::find_if(
            present, [&](const Certificate& other) { return same_issuer_and_serial(*certificate, other); });
        if (twin != present.end()) {
            return refuse("requests to the next CA could not be told from those to the present one",
                          identify(*certificate) + " has the issuer and serial number of " + identify(*twin));
        }
    }
    return {};
}

/// A CA above the one in force takes its place only if it has the same key, which is a renewal.
Status check_place(const NextSet& received, const CaSet& next, const CaSet& current) {
    if (!received.is_new(next.issuer)) {
        return refuse("the CA's answer names no new issuing CA", identify(next.issuer) + " is in force already");
    }
    if (next.issuer.public_key() != current.issuer.public_key() && is_issued_by(current.issuer, next.issuer)) {
        return refuse("the CA's answer names no new issuing CA",
                      identify(next.issuer) + " stands above the one in force");
    }
    return {};
}

Status check_rule(const CaSet& next, const NextCaExpectation& expected) {
    const auto configured = [&](const Certificate& certificate) {
        return std::ranges::find(expected.fingerprints, certificate.fingerprint()) != expected.fingerprints.end();
    };
    if (expected.rule == RolloverRule::fingerprint && !configured(next.anchor) && !configured(next.issuer)) {
        return refuse("the next CA certificate " + identify(next.issuer) + " has no configured fingerprint",
                      "rollover = \"fingerprint\"",
                      "compare it with the CA's operator and put it into 'next_fingerprint'");
    }
    return {};
}

Status check_next(const NextSet& received, const CaSet& next, const NextCaExpectation& expected) {
    if (Status place = check_place(received, next, expected.current); !place) {
        return place;
    }
    if (Status fit = check_new_ca(next.issuer, expected); !fit) {
        return fit;
    }
    if (next.anchor != expected.current.anchor) {
        if (Status fit = check_new_ca(next.anchor, expected); !fit) {
            return fit;
        }
    }
    if (Status later = check_later(next.issuer, expected); !later) {
        return later;
    }
    if (Status distinct = check_distinct(next, expected.current); !distinct) {
        return distinct;
    }
    return check_rule(next, expected);
}

void warn(const CaSet& next, const CaSet& current, std::vector<std::string>& warnings) {
    if (next.issuer.not_before() > current.issuer.not_after()) {
        warnings.push_back(fmt::format("between the present CA and the next one is a gap, from {} to {}",
                                       to_iso8601(current.issuer.not_after()), to_iso8601(next.issuer.not_before())));
    }
    if (next.anchor.not_after() < next.issuer.not_after()) {
        warnings.push_back(fmt::format("the next CA outlives its trust anchor, which ends at {}",
                                       to_iso8601(next.anchor.not_after())));
    }
    if (next.issuer.subject() != current.issuer.subject()) {
        warnings.push_back(fmt::format("the next CA has another name, '{}' instead of '{}'",
                                       printable(next.issuer.subject().text(), 200),
                                       printable(current.issuer.subject().text(), 200)));
    }
}

}  // namespace

Result<NextCa> read_next_ca(ByteView body, const NextCaExpectation& expected) {
    auto received = receive(body, expected);
    if (!received) {
        return fail(std::move(received).error());
    }
    NextSet next(*received, expected);
    if (next.new_ones().empty()) {
        return fail(no_new_ca(received->certificates));
    }
    auto set = next.authenticate_next();
    if (!set) {
        return fail(std::move(set).error());
    }
    if (Status acceptable = check_next(next, *set, expected); !acceptable) {
        return fail(std::move(acceptable).error());
    }
    NextCa result{*std::move(set), {}, expected.rule == RolloverRule::operator_, std::move(received->warnings)};
    warn(result.set, expected.current, result.warnings);
    std::ranges::transform(next.certificates(), std::back_inserter(result.certificates), &Certificate::der);
    return result;
}

Result<CaSet> restore_next_ca(const std::vector<Bytes>& certificates, CaExpectation expected) {
    Certificates stored;
    for (const Bytes& der : certificates) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(std::move(certificate).error());
        }
        stored.push_back(*std::move(certificate));
    }
    expected.now = in_force(stored, expected.now);
    return authenticate(stored, expected);
}

}  // namespace hwenroll::scep
