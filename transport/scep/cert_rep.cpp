#include "transport/scep/cert_rep.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/ber.h"
#include "transport/scep/reply_attributes.h"
#include "transport/scep/reply_signature.h"
#include "transport/scep/signed_data.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

/// Text in some encoding: no NUL, few control characters, and UTF-8 or few octets beyond ASCII.
bool looks_like_text(ByteView body) {
    constexpr std::size_t looked_at = 512;
    const ByteView head = body.first(std::min(body.size(), looked_at));
    const auto size = static_cast<std::ptrdiff_t>(head.size());
    const auto controls = std::ranges::count_if(
        head, [](unsigned char octet) { return (octet < 0x20 && std::isspace(octet) == 0) || octet == 0x7F; });
    const auto beyond_ascii = std::ranges::count_if(head, [](std::uint8_t octet) { return octet >= 0x80; });
    return std::ranges::count(head, 0) == 0 && controls * 20 <= size &&
           (beyond_ascii * 10 <= size * 3 || is_utf8(as_text(body)));
}

bool looks_like_html(std::string_view text) {
    const auto first = std::ranges::find_if(text, [](unsigned char c) { return std::isspace(c) == 0 && c < 0x80; });
    return first != text.end() && *first == '<';
}

/// Names what answered in a CA's place (HTTP-22).
Status check_not_text(ByteView body) {
    constexpr std::size_t shown = 80;
    if (body.empty()) {
        return fail(ErrorCode::ca_not_scep, "the reply is empty");
    }
    if (!looks_like_text(body)) {
        return {};
    }
    const std::string_view text = as_text(body);
    return fail(ErrorCode::ca_not_scep,
                looks_like_html(text) ? "the reply is an HTML page" : "the reply is text instead of a SCEP message",
                fmt::format("it begins '{}'", printable(text, shown)));
}

/// The pkcsPKIEnvelope goes with SUCCESS and only with it (MSG-18, MSG-19).
Status take_envelope(SignedData& message, CertRep& reply) {
    const bool empty = !message.content || message.content->empty();
    if (reply.status == PkiStatus::success) {
        if (empty) {
            return fail(ErrorCode::scep_envelope, "the reply says SUCCESS but holds no envelope", {},
                        "Dogtag answers so while a request waits for approval: have it approved; otherwise report it "
                        "to the CA's vendor");
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
    if (body.size() > expected.limits.max_message) {
        return fail(ErrorCode::ca_too_big, "the reply is larger than allowed",
                    fmt::format("{} octets, at most {}", body.size(), expected.limits.max_message));
    }
    if (Status binary = check_not_text(body); !binary) {
        return fail(std::move(binary).error());
    }
    Result<SignedData> message = parse_signed_data(body, expected.limits);
    if (!message) {
        return fail(std::move(message).error());
    }
    Result<VerifiedSigner> signer = verify_signer(*message, expected);
    if (!signer) {
        return fail(std::move(signer).error());
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
