// Envelopes by the challenge (PasswordRecipientInfo), as an EC key's reply comes. The first octet of an input says
// which part the rest becomes: the whole envelope, its recipients, or what is wrapped under the challenge.
#include <array>

#include "tests/fuzz/ec_envelope.h"
#include "tests/fuzz/ec_world.h"
#include "tests/fuzz/oracle.h"
#include "transport/scep/cert_rep.h"

using namespace hwenroll;

namespace {

/// An input must not cost more than it is worth.
constexpr std::uint32_t most_iterations = 2000;

constexpr std::size_t block = 16;
constexpr std::size_t most_wrapped = 272;

Result<scep::OpenedEnvelope> open_with(ByteView envelope, std::optional<std::string_view> password) {
    int asked = 0;
    scep::EcRecipient recipient{[](const scep::KeyAgreement&) -> Result<Secret> {
        return fail(ErrorCode::token_operation, "this key agrees with nobody");
    }};
    if (password) {
        recipient.password = [&]() -> Result<Secret> {
            ++asked;
            return Secret(as_bytes(*password));
        };
    }
    scep::ParseLimits limits;
    limits.max_pbkdf2 = most_iterations;
    auto opened = scep::open_envelope(envelope, fuzz::ec_world().certificate, recipient, {}, limits);
    fuzz::require(asked <= 1, "the challenge is read once at most (ENV-13)");
    return opened;
}

/// The envelope's content, checked by what holds for every one.
std::optional<Secret> open(ByteView envelope) {
    auto opened = open_with(envelope, fuzz::challenge);
    fuzz::require(!open_with(envelope, std::nullopt), "without a challenge nothing opens (ENV-12)");
    const auto guessed = open_with(envelope, "another challenge of many characters");
    fuzz::require(!guessed, "under another challenge nothing opens");
    if (!opened) {
        return std::nullopt;
    }
    fuzz::require(guessed.error().code() == ErrorCode::scep_decrypt,
                  "a wrong challenge looks like bad padding (SEC-9)");
    return fuzz::checked_content(std::move(*opened), envelope, true);
}

void as_envelope(ByteView envelope) {
    open(envelope);
}

void as_recipients(ByteView recipients) {
    fuzz::require_what_was_sealed(open(fuzz::envelope_for(recipients)));
}

void as_wrapped(ByteView wrapped) {
    Bytes blocks = to_bytes(wrapped.first(std::min(wrapped.size(), most_wrapped)));
    blocks.resize(std::max(2 * block, (blocks.size() + block - 1) / block * block));
    const Bytes expected = fuzz::wrapped_content_key();
    const std::size_t said = 4 + fuzz::ec_world().content_key.size();  // what stands behind is padding
    const bool right = equal(ByteView(blocks).first(said), ByteView(expected).first(said));
    const auto content = open(fuzz::envelope_for(fuzz::by_password(blocks)));
    fuzz::require(content.has_value() == right, "the content key opens, and nothing else (RFC 3211 §2.3.2)");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::array<fuzz::Part, 3> parts{as_envelope, as_recipients, as_wrapped};
    return fuzz::choose_part({data, size}, parts);
}
