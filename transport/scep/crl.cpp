#include "transport/scep/crl.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>

#include "base/pem.h"
#include "transport/scep/ber.h"
#include "transport/scep/crl_points.h"
#include "transport/scep/digital_signature.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

constexpr BerTag tag_boolean{TagClass::universal, 1};
constexpr BerTag tag_bit_string{TagClass::universal, 3};
constexpr BerTag tag_enumerated{TagClass::universal, 10};
constexpr BerTag tag_utc_time{TagClass::universal, 23};
constexpr BerTag tag_generalized_time{TagClass::universal, 24};

constexpr std::string_view oid_crl_number = "2.5.29.20";
constexpr std::string_view oid_reason = "2.5.29.21";
constexpr std::string_view oid_delta = "2.5.29.27";
constexpr std::string_view oid_issuing_point = "2.5.29.28";
constexpr std::string_view oid_certificate_issuer = "2.5.29.29";

/// Longer than any that RFC 5280 §5.2.3 allows (20 octets).
constexpr std::size_t max_number = 32;

tl::unexpected<Error> unusable(std::string what, std::string why = {}) {
    return fail(ErrorCode::crl_unusable, std::move(what), std::move(why));
}

/// `extnValue` is borrowed.
struct Extension {
    std::string oid;
    bool critical = false;
    ByteView value;
};

Extension read_extension(BerReader& extensions, BerFault& fault) {
    BerReader fields = extensions.enter(tag::sequence, "an extension");
    Extension extension;
    extension.oid = oid_of(fields.expect(tag::object_identifier, "an extension's type"), fault);
    if (const auto critical = fields.next_if(tag_boolean)) {
        extension.critical = !critical->content.empty() && critical->content[0] != 0;
    }
    extension.value = fields.expect(tag::octet_string, "an extension's value").content;
    fields.finish("an extension");
    return extension;
}

/// Content octets of an INTEGER without leading zeros.
Bytes magnitude(ByteView integer) {
    const auto first = std::ranges::find_if(integer, [](std::uint8_t octet) { return octet != 0; });
    return {first, integer.end()};
}

std::optional<TimePoint> time_from(const BerValue& value) {
    const unsigned char* in = value.encoding.data();
    const OpenSslPtr<ASN1_TIME> time(d2i_ASN1_TIME(nullptr, &in, static_cast<long>(value.encoding.size())));
    const auto read = time ? time_of(time.get()) : fail(ErrorCode::crl_unusable, "no time");
    ERR_clear_error();
    return read ? std::optional(*read) : std::nullopt;
}

bool is_time(const BerValue& value) {
    return value.tag == tag_utc_time || value.tag == tag_generalized_time;
}

TimePoint read_time(BerReader& fields, std::string_view what) {
    const BerValue value = fields.next(what);
    const auto time = is_time(value) ? time_from(value) : std::nullopt;
    if (!time) {
        fields.reject(fmt::format("{} is no time", what));
    }
    return time.value_or(TimePoint{});
}

/// What issuingDistributionPoint says of a list's scope.
struct Scope {
    bool has_point = false;
    std::vector<std::string> points;
    bool only_authorities = false;
    bool only_attributes = false;
    bool some_reasons = false;
    bool indirect = false;
};

std::optional<Scope> read_scope(ByteView value) {
    BerFault fault;
    BerReader outer(value, fault);
    Scope scope;
    BerReader fields = outer.enter(tag::sequence, "issuingDistributionPoint");
    while (!fields.at_end()) {
        const BerValue field = fields.next("a field");
        const bool set = !field.content.empty() && field.content[0] != 0;
        switch (field.tag.tag_class == TagClass::context ? field.tag.number : 99U) {
            case 0:
                scope.has_point = true;
                scope.points = point_names(field, fault);
                break;
            case 1:  // onlyContainsUserCerts: certificates of end entities, as ours are (issue_policy refuses CAs)
                break;
            case 2:
                scope.only_authorities = set;
                break;
            case 3:
                scope.some_reasons = true;
                break;
            case 4:
                scope.indirect = set;
                break;
            case 5:
                scope.only_attributes = set;
                break;
            default:
                return std::nullopt;
        }
    }
    return fault.failed() ? std::nullopt : std::optional(std::move(scope));
}

/// The parts of a list that judging and searching look at; borrowed from the DER.
struct Parts {
    ByteView signed_part;  ///< tbsCertList as it was received
    AlgorithmId inner;
    ByteView issuer;
    TimePoint this_update;
    std::optional<TimePoint> next_update;
    std::optional<BerValue> revoked;
    std::vector<Extension> extensions;
    AlgorithmId outer;
    ByteView signature;
};

void read_signed_part(Parts& parts, BerReader& fields, BerFault& fault) {
    fields.next_if(tag::integer);
    parts.inner = read_algorithm(fields, fault, "the signature algorithm");
    parts.issuer = fields.expect(tag::sequence, "the issuer").encoding;
    parts.this_update = read_time(fields, "thisUpdate");
    for (const BerTag time : {tag_utc_time, tag_generalized_time}) {
        if (const auto next = fields.next_if(time)) {
            parts.next_update = time_from(*next);
            if (!parts.next_update) {
                fields.reject("nextUpdate is no time");
            }
            break;
        }
    }
    parts.revoked = fields.next_if(tag::sequence);
    if (const auto wrapper = fields.next_if(tag::context(0))) {
        BerReader inside = fields.members(*wrapper, "crlExtensions");
        for (BerReader extensions = inside.enter(tag::sequence, "crlExtensions"); !extensions.at_end();) {
            parts.extensions.push_back(read_extension(extensions, fault));
        }
        inside.finish("crlExtensions");
    }
    fields.finish("tbsCertList");
}

Result<Parts> parts_of(ByteView der) {
    BerFault fault;
    BerReader outer(der, fault);
    Parts parts;
    BerReader list = outer.enter(tag::sequence, "CertificateList");
    const BerValue signed_part = list.expect(tag::sequence, "tbsCertList");
    parts.signed_part = signed_part.encoding;
    if (!fault.failed()) {
        BerReader fields = list.members(signed_part, "tbsCertList");
        read_signed_part(parts, fields, fault);
    }
    parts.outer = read_algorithm(list, fault, "the signature algorithm");
    const ByteView bits = list.expect(tag_bit_string, "the signature").content;
    if (bits.empty() || bits[0] != 0) {
        list.reject("the signature is not of whole octets");
    } else {
        parts.signature = bits.subspan(1);
    }
    list.finish("CertificateList");
    outer.finish("the CRL");
    if (const Status read = fault.status(ErrorCode::crl_unusable, "the CRL is malformed"); !read) {
        return fail(read.error());
    }
    return parts;
}

/// What an entry says; `serial` is borrowed.
struct Entry {
    ByteView serial;
    BerValue date;
    std::uint8_t reason = 0;
    std::string objection;  ///< why the list that holds it must not be used
};

void read_entry_extensions(Entry& entry, BerReader& fields, BerFault& fault) {
    for (BerReader extensions = fields.enter(tag::sequence, "crlEntryExtensions"); !extensions.at_end();) {
        const Extension extension = read_extension(extensions, fault);
        if (extension.oid == oid_reason) {
            BerFault inside;
            const BerValue reason = BerReader(extension.value, inside).expect(tag_enumerated, "reasonCode");
            entry.reason = !inside.failed() && reason.content.size() == 1 ? reason.content[0] : 0;
        } else if (extension.oid == oid_certificate_issuer) {
            entry.objection = "it is an indirect CRL: an entry names another issuer";
        } else if (extension.critical) {
            entry.objection = "an entry has the critical extension " + name_of_oid(extension.oid);
        }
    }
}

Entry read_entry(BerReader& entries, BerFault& fault) {
    BerReader fields = entries.enter(tag::sequence, "an entry");
    Entry entry;
    entry.serial = fields.expect(tag::integer, "a serial number").content;
    entry.date = fields.next("a revocation date");
    if (!is_time(entry.date)) {
        fields.reject("a revocation date is no time");
    }
    if (!fields.at_end()) {
        read_entry_extensions(entry, fields, fault);
    }
    fields.finish("an entry");
    return entry;
}

/// Walks over all entries; counts them.
Result<std::size_t> check_entries(const Parts& parts) {
    if (!parts.revoked) {
        return std::size_t{0};
    }
    BerFault fault;
    std::size_t count = 0;
    for (BerReader entries(parts.revoked->content, fault, parts.revoked->offset); !entries.at_end(); ++count) {
        const Entry entry = read_entry(entries, fault);
        if (!entry.objection.empty()) {
            return unusable("the CRL cannot be used", entry.objection);
        }
    }
    if (const Status read = fault.status(ErrorCode::crl_unusable, "the CRL is malformed"); !read) {
        return fail(read.error());
    }
    return count;
}

/// Of the list as a whole: those that can be told without knowing whose certificates are asked about.
Status check_extensions(const Parts& parts, Crl& crl) {
    for (const Extension& extension : parts.extensions) {
        if (extension.oid == oid_delta) {
            return unusable("the CRL cannot be used", "it is a delta CRL, which is not supported");
        }
        if (extension.oid == oid_crl_number) {
            BerFault fault;
            const BerValue number = BerReader(extension.value, fault).expect(tag::integer, "cRLNumber");
            const bool good = !fault.failed() && !number.content.empty() && number.content.size() <= max_number &&
                              (number.content[0] & 0x80U) == 0;
            if (!good) {
                return unusable("the CRL is malformed", "its cRLNumber is no number");
            }
            crl.number = magnitude(number.content);
            if (crl.number.empty()) {
                crl.number = {0};
            }
        } else if (extension.oid == oid_issuing_point) {
            const auto scope = read_scope(extension.value);
            if (!scope) {
                return unusable("the CRL is malformed", "its issuingDistributionPoint cannot be read");
            }
            if (scope->indirect) {
                return unusable("the CRL cannot be used", "it is an indirect CRL, which is not supported");
            }
            crl.complete =
                !scope->has_point && !scope->only_authorities && !scope->only_attributes && !scope->some_reasons;
        } else if (extension.critical) {
            return unusable("the CRL cannot be used",
                            fmt::format("its critical extension {} is not understood", name_of_oid(extension.oid)));
        }
    }
    return {};
}

bool is_pem(ByteView body) {
    const std::string_view text = as_text(body.first(std::min<std::size_t>(body.size(), 4096)));
    return text.find("-----BEGIN ") != std::string_view::npos;
}

// ----- Judgement -----

Status check_name(const Crl& crl, const Certificate& issuer) {
    if (!crl.issuer.same_rdns(issuer.subject())) {
        return unusable("the CRL is of another issuer",
                        fmt::format("of '{}' instead of '{}'", printable(crl.issuer.text(), 200),
                                    printable(issuer.subject().text(), 200)));
    }
    return {};
}

Status check_signature(const Parts& parts, const CrlExpectation& expected) {
    const auto scheme = signature_scheme_by_oid(parts.outer.oid);
    if (parts.outer.oid != parts.inner.oid) {
        return unusable("the CRL is malformed", "it names two signature algorithms");
    }
    const PublicKey& key = expected.issuer.public_key();
    if (!scheme || !scheme->digest || scheme->rsa != key.is_rsa()) {
        return fail(ErrorCode::scep_algorithm, "the CRL is signed in a way that is unknown here",
                    name_of_oid(parts.outer.oid));
    }
    if (Status allowed = check_digest(*scheme->digest, expected.legacy, "the CRL"); !allowed) {
        return allowed;
    }
    if (!verify_octets(parts.signed_part, parts.signature, key, *scheme->digest)) {
        return unusable("the signature of the CRL does not verify",
                        fmt::format("by the key of '{}'", printable(expected.issuer.subject().text(), 200)));
    }
    return {};
}

/// RFC 5280 §6.3.3 (b): whether the list speaks of the certificate in question at all.
Status check_scope(const Parts& parts, const CrlExpectation& expected) {
    const auto extension =
        std::ranges::find_if(parts.extensions, [](const Extension& one) { return one.oid == oid_issuing_point; });
    const auto scope = extension == parts.extensions.end() ? std::nullopt : read_scope(extension->value);
    if (!scope) {
        return {};
    }
    if (scope->only_authorities || scope->only_attributes || scope->some_reasons) {
        return unusable("the CRL does not speak of this certificate", scope->some_reasons
                                                                          ? "it is about some reasons only"
                                                                          : "it is about certificates of other kinds");
    }
    const bool fits = !scope->has_point || std::ranges::any_of(scope->points, [&](const std::string& point) {
        return std::ranges::find(expected.points, point) != expected.points.end();
    });
    if (!fits) {
        return unusable("the CRL does not speak of this certificate",
                        expected.points.empty() ? "it is that of a distribution point, and the certificate names none"
                                                : "it is that of another distribution point of the same CA");
    }
    return {};
}

Status check_times(const Crl& crl, const CrlExpectation& expected) {
    if (!expected.limits.judges_time) {
        return {};
    }
    const Seconds life = crl.next_update ? *crl.next_update - crl.this_update : Seconds(std::chrono::days(365));
    const Seconds skew = for_lifetime(expected.limits.clock_skew, life);
    if (crl.this_update > expected.now + skew) {
        return unusable("the CRL is not valid yet", "its thisUpdate is " + to_iso8601(crl.this_update));
    }
    if (crl.next_update && *crl.next_update + skew < expected.now) {
        return unusable("the CRL has expired", "its nextUpdate was " + to_iso8601(*crl.next_update));
    }
    return {};
}

bool is_lower(const Bytes& one, const Bytes& other) {
    return one.size() != other.size() ? one.size() < other.size() : one < other;
}

/// Rollback: whoever can replay an older list hides what was revoked since.
Status check_progress(const Crl& crl, const CrlExpectation& expected) {
    if (is_lower(crl.number, expected.number)) {
        return unusable("the CRL is older than the one at hand",
                        crl.number.empty() ? "it has no cRLNumber and the one at hand has"
                                           : fmt::format("its cRLNumber is {} and that of the one at hand {}",
                                                         to_hex(crl.number), to_hex(expected.number)));
    }
    if (expected.since && crl.this_update < *expected.since) {
        return unusable("the CRL is older than the one at hand",
                        fmt::format("its thisUpdate is {} and that of the one at hand {}", to_iso8601(crl.this_update),
                                    to_iso8601(*expected.since)));
    }
    return {};
}

std::vector<std::string> warnings_of(const Crl& crl, const Certificate& issuer) {
    std::vector<std::string> warnings;
    if ((issuer.key_usage() & KU_CRL_SIGN) == 0) {
        warnings.push_back(fmt::format("the CA certificate '{}' does not allow cRLSign and signs a CRL all the same",
                                       printable(issuer.subject().text(), 200)));
    }
    if (!crl.next_update) {
        warnings.emplace_back("the CRL has no nextUpdate");
    }
    return warnings;
}

}  // namespace

Result<Crl> read_crl(Bytes body, const ParseLimits& limits) {
    if (body.size() > limits.max_message) {
        return fail(ErrorCode::ca_too_big, "the CRL is larger than allowed",
                    fmt::format("{} octets, at most {}", body.size(), limits.max_message));
    }
    if (is_pem(body)) {
        auto der = block_from_pem(std::move(body), "X509 CRL");
        if (!der) {
            return unusable("what was received is no CRL", der.error().what());
        }
        body = *std::move(der);
    }
    const auto size = check_ber(body, limits.max_depth);
    if (!size || *size != body.size()) {
        return unusable("what was received is no CRL", size ? "other data follows" : size.error().why());
    }
    const auto parts = parts_of(body);
    if (!parts) {
        return fail(parts.error());
    }
    auto issuer = DistinguishedName::from_der(parts->issuer);
    if (!issuer) {
        return unusable("the CRL is malformed", issuer.error().what());
    }
    Crl crl;
    crl.issuer = *std::move(issuer);
    crl.this_update = parts->this_update;
    crl.next_update = parts->next_update;
    if (const Status known = check_extensions(*parts, crl); !known) {
        return fail(known.error());
    }
    const auto entries = check_entries(*parts);
    if (!entries) {
        return fail(entries.error());
    }
    crl.entries = *entries;
    crl.der = std::move(body);
    return crl;
}

Result<std::vector<std::string>> judge_crl(const Crl& crl, const CrlExpectation& expected) {
    const auto parts = parts_of(crl.der);
    if (!parts) {
        return fail(parts.error());
    }
    Status good = check_name(crl, expected.issuer);
    good = good ? check_signature(*parts, expected) : good;
    good = good ? check_scope(*parts, expected) : good;
    good = good ? check_times(crl, expected) : good;
    good = good ? check_progress(crl, expected) : good;
    if (!good) {
        return fail(good.error());
    }
    return warnings_of(crl, expected.issuer);
}

Result<std::vector<Revocation>> find_revocations(ByteView der, const std::vector<Bytes>& serials) {
    const auto parts = parts_of(der);
    if (!parts) {
        return fail(parts.error());
    }
    std::vector<Revocation> found;
    if (!parts->revoked) {
        return found;
    }
    std::vector<Bytes> wanted;
    wanted.reserve(serials.size());
    for (const Bytes& serial : serials) {
        wanted.push_back(magnitude(serial));
    }
    std::ranges::sort(wanted);
    BerFault fault;
    for (BerReader entries(parts->revoked->content, fault); !entries.at_end();) {
        const Entry entry = read_entry(entries, fault);
        Bytes serial = magnitude(entry.serial);
        if (!std::ranges::binary_search(wanted, serial) ||
            entry.reason == static_cast<std::uint8_t>(CrlReason::remove_from_crl)) {
            continue;
        }
        found.push_back({std::move(serial), time_from(entry.date).value_or(TimePoint{}), entry.reason});
    }
    return found;
}

std::vector<Certificate> drop_revoked_signers(CaSet& set, const std::function<bool(const Certificate&)>& is_revoked) {
    std::vector<Certificate> dropped;
    for (const Certificate& signer : set.signers) {
        if (signer != set.issuer && signer != set.anchor && is_revoked(signer)) {
            dropped.push_back(signer);
        }
    }
    std::erase_if(set.signers,
                  [&](const Certificate& signer) { return std::ranges::find(dropped, signer) != dropped.end(); });
    return dropped;
}

std::string reason_text(std::uint8_t reason) {
    constexpr std::array<std::string_view, 11> names{
        "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
        "superseded",    "cessationOfOperation", "certificateHold", "",
        "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};
    const bool named = reason < names.size() && !names[reason].empty();
    return named ? std::string(names[reason]) : fmt::format("reason {}", reason);
}

}  // namespace hwenroll::scep
