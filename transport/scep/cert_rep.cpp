#include "transport/scep/cert_rep.h"

#include <utility>

#include <fmt/format.h>

#include "transport/scep/message_body.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/reply_attributes.h"
#include "transport/scep/reply_signature.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

/// SIG-17.
Status check_reply_type(const SignedData& message, std::vector<std::string>& warnings) {
    if (message.content_type == oid_enveloped_data) {
        warnings.emplace_back("the reply's content is labelled envelopedData where RFC 8894 has data (xipki does so)");
    } else if (message.content_type != oid_data) {
        return fail(ErrorCode::scep_structure, "the reply's content is of an unknown type",
                    name_of_oid(message.content_type));
    }
    return {};
}

/// The pkcsPKIEnvelope goes with SUCCESS and only with it (MSG-18, MSG-19).
Status take_envelope(SignedData& message, CertRep& reply) {
    const bool empty = !message.content || message.content->empty();
    if (reply.status == PkiStatus::success) {
        if (!message.content) {
            return fail(ErrorCode::scep_envelope, "the reply says SUCCESS but holds no envelope", {},
                        "report it to the CA's vendor");
        }
        if (empty) {  // Q-DOG-1
            reply.status = PkiStatus::pending;
            reply.warnings.emplace_back(
                "the reply says SUCCESS with an envelope of no octets: taken for PENDING, which Dogtag means by it");
            return {};
        }
        reply.envelope = *std::move(message.content);
        return {};
    }
    constexpr std::size_t placeholder = 1;  // NDES sends one octet 00 (Q-NDES-3)
    if (!empty && message.content->size() > placeholder) {
        reply.warnings.push_back(fmt::format("an envelope in a reply of status {} was ignored", to_text(reply.status)));
    }
    return {};
}

}  // namespace

Result<CertRep> read_cert_rep(ByteView body, const ReplyExpectation& expected) {
    if (Status plausible = check_message_body(body, expected.limits); !plausible) {
        return fail(std::move(plausible).error());
    }
    Result<SignedData> message = parse_signed_data(body, expected.limits);
    if (!message) {
        return fail(std::move(message).error());
    }
    Result<VerifiedSigner> signer = verify_signer(*message, expected);
    if (!signer) {
        return fail(std::move(signer).error());
    }
    if (Status type = check_reply_type(*message, signer->warnings); !type) {
        return fail(std::move(type).error());
    }
    CertRep reply{PkiStatus::failure,         std::nullopt, {}, std::nullopt, {}, signer->digest, signer->certificate,
                  std::move(signer->warnings)};
    if (Status read = read_reply_attributes(message->signers[0].attributes, expected, reply); !read) {
        return fail(std::move(read).error());
    }
    if (Status taken = take_envelope(*message, reply); !taken) {
        return fail(std::move(taken).error());
    }
    return reply;
}

}  // namespace hwenroll::scep
