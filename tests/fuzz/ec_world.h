// A client with an EC key, and envelopes for it by the challenge and by key agreement, the same in every run.
#pragma once

#include <optional>
#include <string_view>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::fuzz {

inline constexpr std::string_view challenge = "a challenge of many characters";

struct EcWorld {
    test::Key key;            ///< recorded
    test::Key other;          ///< of somebody else, who also makes the ephemeral keys here
    Certificate certificate;  ///< of `key`: it signed the request
    Bytes content_key;        ///< of every envelope_for()
    Bytes plaintext;          ///< of every envelope_for(): one value, so long that no wrong key yields another
};

/// Made once in a program.
const EcWorld& ec_world();

/// An EnvelopedData with `recipients`, which need not be well-formed, in place of its RecipientInfos.
Bytes envelope_for(ByteView recipients);

/// A PasswordRecipientInfo: PBKDF2 with HMAC-SHA-256, 1000 iterations, AES-128. `wrapped`: what is encrypted twice, in
/// whole blocks, in place of the content key with its length and check octets (RFC 3211 §2.3.1).
Bytes by_password(const std::optional<Bytes>& wrapped = std::nullopt);

/// What by_password() wraps by default.
Bytes wrapped_content_key();

/// A KeyAgreeRecipientInfo: dhSinglePass-stdDH-sha256kdf, AES-128 key wrap. `wrapped`: what is wrapped in place of the
/// content key, a multiple of 8 octets and at least 16; `material`: ukm, empty for none.
Bytes by_agreement(const std::optional<Bytes>& wrapped = std::nullopt, ByteView material = {});

/// The content that libcrypto's CMS takes out of `envelope` by the challenge, or by the client's key; nothing where it
/// takes out none.
std::optional<Bytes> opened_by_libcrypto(ByteView envelope, bool with_password);

}  // namespace hwenroll::fuzz
