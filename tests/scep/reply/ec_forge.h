// Envelopes for EC keys as a server would make them, and as it should not (RFC 5652 §6.2.2, §6.2.4).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::test {

inline constexpr std::string_view forged_password = "a challenge of many characters";

/// Made by libcrypto's CMS: AES-128-CBC, one recipient by password, PBKDF2 with HMAC-SHA-1.
Bytes cms_by_password(ByteView content, std::string_view password, int iterations);

/// Made by libcrypto's CMS for the EC key of `recipient`, by its subject key identifier if `by_key`.
Bytes cms_by_agreement(ByteView content, const Certificate& recipient, bool by_key = false);

/// The RecipientInfo of an envelope that has one.
Bytes only_recipient(ByteView envelope);

/// `envelope` with these encoded RecipientInfos in place of its own.
Bytes with_recipients(ByteView envelope, const std::vector<Bytes>& recipients);

/// A PasswordRecipientInfo and the content under its key; every part can be spoiled before build().
struct ForgedPasswordEnvelope {
    Bytes plaintext;
    std::string password{forged_password};
    Bytes salt = Bytes(8, 0x5A);
    int iterations = 1000;
    std::optional<Bytes> iterations_encoded;  ///< whole INTEGER, in place of the right one
    std::string digest = "SHA256";            ///< of the pseudo-random function, libcrypto's name
    std::string function_oid = "1.2.840.113549.2.9";
    bool function_absent = false;
    std::optional<Bytes> key_length;  ///< whole INTEGER
    std::string derivation_oid = "1.2.840.113549.1.5.12";
    bool derivation_absent = false;
    std::string wrap_oid = "1.2.840.113549.1.9.16.3.9";
    std::string cipher_oid = "2.16.840.1.101.3.4.1.2";  ///< of the wrapping
    const char* cipher = "AES-128-CBC";
    std::optional<Bytes> vector;            ///< encoded, in place of the OCTET STRING
    std::optional<Bytes> wrapped_key;       ///< in place of what is wrapped
    std::function<void(Bytes&)> unwrapped;  ///< changes what is wrapped

    /// With the issued certificate inside.
    ForgedPasswordEnvelope();
    [[nodiscard]] Bytes recipient(const Bytes& content_key) const;
    [[nodiscard]] Bytes build() const;
};

}  // namespace hwenroll::test
