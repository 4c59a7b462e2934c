#include "transport/scep/reply_signature.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/ca_chain.h"
#include "transport/scep/der_writer.h"
#include "transport/scep/digests.h"
#include "transport/scep/digital_signature.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/reply_attributes.h"

namespace hwenroll::scep {
namespace {

/// Certificates that one SignerIdentifier can name before the rest is left alone (BAD-67).
constexpr std::size_t max_candidates = 8;

/// What the algorithm identifiers of a SignerInfo say, once they agree with each other and with the floor.
Result<Digest> acceptable_digest(const SignerInfo& signer, const PublicKey& key, const LegacyPermissions& legacy) {
    const auto digest = digest_by_oid(signer.digest_algorithm.oid);
    if (!digest) {
        return fail(ErrorCode::scep_algorithm, "the reply uses an unacceptable digest",
                    name_of_oid(signer.digest_algorithm.oid));
    }
    const auto scheme = signature_scheme_by_oid(signer.signature_algorithm.oid);
    if (!scheme) {
        return fail(ErrorCode::scep_algorithm, "the reply uses an unacceptable signature algorithm",
                    name_of_oid(signer.signature_algorithm.oid));
    }
    if (scheme->rsa != key.is_rsa()) {
        return fail(ErrorCode::scep_algorithm, "the reply's signature algorithm does not fit its signer's key",
                    fmt::format("{} with {}", name_of_oid(signer.signature_algorithm.oid), key.text()));
    }
    if (scheme->digest && *scheme->digest != *digest) {
        return fail(ErrorCode::scep_algorithm, "the reply names two different digests",
                    fmt::format("{} and {}", to_text(*digest), name_of_oid(signer.signature_algorithm.oid)));
    }
    if (Status allowed = check_digest(*digest, legacy, "the reply"); !allowed) {
        return fail(std::move(allowed).error());
    }
    return *digest;
}

/// The members of a set, one by one.
std::vector<Bytes> members_of(const BerValue& set) {
    BerFault fault;
    std::vector<Bytes> members;
    for (BerReader reader(set.content, fault); !reader.at_end();) {
        members.push_back(to_bytes(reader.next("an attribute").encoding));
    }
    return members;
}

Status check_message_digest(const SignedData& message, Digest digest) {
    const auto value = single_value(message.signers[0].attributes, oid_message_digest, "messageDigest");
    if (!value) {
        return fail(value.error());
    }
    if (*value == nullptr || (*value)->tag != tag::octet_string || (*value)->constructed) {
        return fail(ErrorCode::scep_attribute, "the reply has no proper messageDigest");
    }
    // Over an empty string where there is no content (MSG-19).
    const auto actual = digest_of(message.content ? ByteView(*message.content) : ByteView(), digest);
    if (!actual || !equal((*value)->content, *actual)) {
        return fail(ErrorCode::scep_signature, "the reply's content does not fit its signature",
                    "messageDigest differs");
    }
    return {};
}

Status check_content_type(const SignedData& message) {
    const auto value = single_value(message.signers[0].attributes, oid_content_type, "contentType");
    if (!value) {
        return fail(value.error());
    }
    BerFault fault;
    const std::string signed_type = *value == nullptr ? std::string() : oid_of(**value, fault);
    if (fault.failed() || signed_type != message.content_type) {
        return fail(ErrorCode::scep_attribute,
                    "the reply's contentType attribute is missing or contradicts its content",
                    fmt::format("'{}' and '{}'", signed_type, message.content_type));
    }
    return {};
}

/// Everything about one trusted certificate that could have made the signature. Its validity is judged for the time
/// `at`.
Result<VerifiedSigner> verify_with(const SignedData& message, const Certificate& certificate, TimePoint at,
                                   const ReplyExpectation& expected) {
    const std::string subject = printable(certificate.subject().text(), 200);
    if (std::string reason = unfitness(certificate, at, expected.limits); !reason.empty()) {
        return fail(
            ErrorCode::scep_signer, fmt::format("the reply's signer '{}' may not sign now", subject), std::move(reason),
            "the CA's certificates are fetched again; if that does not help, its RA certificate must be renewed");
    }
    VerifiedSigner result{certificate, Digest::sha256, {}};
    if (const std::uint32_t usage = certificate.key_usage();
        (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
        result.warnings.push_back(fmt::format("the keyUsage of the signer '{}' does not cover signatures", subject));
    }
    const SignerInfo& signer = message.signers[0];
    const Result<Digest> digest = acceptable_digest(signer, certificate.public_key(), expected.legacy);
    if (!digest) {
        return fail(digest.error());
    }
    result.digest = *digest;
    if (!signature_is_good(signer, certificate.public_key(), *digest)) {
        return fail(ErrorCode::scep_signature, fmt::format("the reply's signature by '{}' does not verify", subject));
    }
    return result;
}

/// A certificate that may have signed, and the time for which it must be valid.
struct Candidate {
    Certificate certificate;
    TimePoint at;
};

/// Those that `id` names, at most max_candidates. ROLL-12: the next CA answers before its certificate is valid.
std::vector<Candidate> candidates_for(const CertificateId& id, const ReplyExpectation& expected) {
    std::vector<Candidate> candidates;
    const auto add = [&](const Certificate& certificate, TimePoint at) {
        if (candidates.size() < max_candidates && names(id, certificate)) {
            candidates.push_back({certificate, at});
        }
    };
    for (const Certificate& signer : expected.signers) {
        add(signer, expected.now);
    }
    for (const Certificate& signer : expected.next_signers) {
        add(signer, std::max(expected.now, signer.not_before()));
    }
    return candidates;
}

/// Whether this key made the signature, whatever role it has.
bool is_signed_by(const SignedData& message, const PublicKey& key, const LegacyPermissions& legacy) {
    const SignerInfo& signer = message.signers[0];
    const auto digest = acceptable_digest(signer, key, legacy);
    return digest && signature_is_good(signer, key, *digest) && check_message_digest(message, *digest);
}

/// The reply claims to be signed by a certificate that the CA sends and that has no role; nothing of it is believed.
/// What would give it one is said only where it has signed: anybody can name it in a reply, and have an operator pin a
/// certificate that has nothing to do with this CA's replies.
tl::unexpected<Error> signed_without_role(const UnusedCertificate& claimed, const SignedData& message,
                                          const LegacyPermissions& legacy) {
    const bool made_it = is_signed_by(message, claimed.certificate.public_key(), legacy);
    return fail(
        ErrorCode::scep_signer,
        fmt::format("the reply names as its signer {}, which may not sign replies", identify(claimed.certificate)),
        claimed.reason + (made_it ? "" : "; and the signature is not that certificate's"),
        made_it ? claimed.advice : std::string());
}

Result<VerifiedSigner> verify_with_any(const SignedData& message, const ReplyExpectation& expected) {
    const CertificateId& id = message.signers[0].id;
    std::optional<Error> first_failure;
    for (const Candidate& candidate : candidates_for(id, expected)) {
        Result<VerifiedSigner> verified = verify_with(message, candidate.certificate, candidate.at, expected);
        if (verified) {
            return verified;
        }
        if (!first_failure) {
            first_failure = std::move(verified).error();
        }
    }
    if (first_failure) {
        return fail(*std::move(first_failure));
    }
    const auto claimed =
        std::ranges::find_if(expected.unused, [&](const auto& one) { return names(id, one.certificate); });
    if (claimed != expected.unused.end()) {
        return signed_without_role(*claimed, message, expected.legacy);
    }
    return fail(ErrorCode::scep_signer, "the reply is signed by a certificate that may not sign replies",
                fmt::format("{} is none of the {} known signers of this CA; a certificate inside the reply is not "
                            "trusted",
                            describe(id), expected.signers.size() + expected.next_signers.size()));
}

}  // namespace

bool signature_is_good(const SignerInfo& signer, const PublicKey& key, Digest digest) {
    const Bytes received = der::value(der::tag_set, signer.signed_attributes->content);
    if (verify_octets(received, signer.signature, key, digest)) {
        return true;
    }
    const Bytes sorted = der::set_of(der::tag_set, members_of(*signer.signed_attributes));
    return sorted != received && verify_octets(sorted, signer.signature, key, digest);
}

Result<VerifiedSigner> verify_signer(const SignedData& message, const ReplyExpectation& expected) {
    if (message.signers.size() != 1) {
        return fail(ErrorCode::scep_signature,
                    fmt::format("the reply has {} signatures where exactly one is expected", message.signers.size()));
    }
    const SignerInfo& signer = message.signers[0];
    if (!signer.signed_attributes) {
        return fail(ErrorCode::scep_attribute, "the reply has no signed attributes",
                    signer.has_unsigned_attributes ? "it has unsigned ones, which prove nothing" : "");
    }
    Result<VerifiedSigner> verified = verify_with_any(message, expected);
    if (!verified) {
        return verified;
    }
    if (Status unique = check_unique(signer.attributes); !unique) {
        return fail(std::move(unique).error());
    }
    if (Status digest = check_message_digest(message, verified->digest); !digest) {
        return fail(std::move(digest).error());
    }
    if (Status type = check_content_type(message); !type) {
        return fail(std::move(type).error());
    }
    if (std::ranges::find(message.digest_algorithms, signer.digest_algorithm.oid) == message.digest_algorithms.end()) {
        verified->warnings.emplace_back("the reply's list of digest algorithms lacks the one that it uses");
    }
    return verified;
}

}  // namespace hwenroll::scep
