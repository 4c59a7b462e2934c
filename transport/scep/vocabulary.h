// The words of RFC 8894 as types. Values only; nothing here parses or builds a message.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"

namespace hwenroll::scep {

/// messageType, RFC 8894 §3.2.1.2.
enum class MessageType : std::uint8_t {
    cert_rep = 3,
    renewal_req = 17,
    pkcs_req = 19,
    cert_poll = 20,
    get_cert = 21,
    get_crl = 22,
};

/// pkiStatus, RFC 8894 §3.2.1.3.
enum class PkiStatus : std::uint8_t { success = 0, failure = 2, pending = 3 };

/// failInfo, RFC 8894 §3.2.1.4.
enum class FailInfo : std::uint8_t {
    bad_alg = 0,
    bad_message_check = 1,
    bad_request = 2,
    bad_time = 3,
    bad_cert_id = 4,
};

/// HTTP operations, RFC 8894 §4.
enum class Operation : std::uint8_t { get_ca_caps, get_ca_cert, get_next_ca_cert, pki_operation };

/// `PKCSReq`, `badRequest`, `SUCCESS`, `GetCACaps`: the RFC's spelling.
std::string_view to_text(MessageType type);
std::string_view to_text(PkiStatus status);
std::string_view to_text(FailInfo info);
std::string_view to_text(Operation operation);

/// transactionID (MSG-4, MSG-5): characters of PrintableString, 1 to 128.
struct TransactionId {
    std::string value;
    friend bool operator==(const TransactionId&, const TransactionId&) = default;
};

/// The default form: 32 upper-case hexadecimal characters from 16 random octets (MSG-5).
TransactionId transaction_id_from(const std::array<std::uint8_t, 16>& random);

/// senderNonce: 16 octets drawn by the caller for every message (MSG-7).
struct Nonce {
    std::array<std::uint8_t, 16> value{};
    friend bool operator==(const Nonce&, const Nonce&) = default;
};

/// Digests of signatures. MD5 has no value here, so it cannot be chosen or accepted (CAPS-14).
enum class Digest : std::uint8_t { sha1 = 1, sha256 = 2, sha384 = 3, sha512 = 4 };

/// Content ciphers, all in CBC mode.
enum class ContentCipher : std::uint8_t { des = 1, des3 = 2, aes128 = 3, aes192 = 4, aes256 = 5 };

/// How a content key is encrypted for an RSA key: RSAES-PKCS1-v1_5 or RSAES-OAEP (RFC 8017 §7).
enum class KeyTransport : std::uint8_t { pkcs1 = 1, oaep = 2 };

std::string_view to_text(Digest digest);
std::string_view to_text(ContentCipher cipher);

/// What may fall below the floor of AES and SHA-256, by the operator's `legacy` and only until `legacy_until`.
struct LegacyPermissions {
    bool des_cbc_reply = false;  ///< open a reply in single DES
    bool des3 = false;           ///< send and accept 3DES
    bool sha1_reply = false;     ///< accept a reply signed with SHA-1
    bool sha1_request = false;   ///< sign requests with SHA-1
    friend bool operator==(const LegacyPermissions&, const LegacyPermissions&) = default;
};

/// Bounds on what is read from the network (SEC-11).
struct ParseLimits {
    std::size_t max_message = std::size_t{1} << 20U;  ///< octets
    std::size_t max_depth = 32;                       ///< nested ASN.1 values
    std::size_t max_certificates = 64;
    std::size_t max_attributes = 64;  ///< signed attributes of one message
    int max_rsa_bits = 8192;
    int max_exponent_bits = 33;  ///< e up to 2^32
    int max_path = 10;           ///< certificates between leaf and anchor
    Seconds min_lifetime{3600};  ///< that an issued certificate must have left, or a tenth of a whole lifetime
    Seconds clock_skew{300};     ///< by which clocks may differ; see for_lifetime()
    std::uint32_t max_pbkdf2 = 10'000'000;  ///< iterations of a reply that is encrypted under the challenge (ENV-19)
    bool judges_time = true;  ///< false while the clock is not trusted: no validity period refuses anything (K1, K7)
};

/// The part of a time limit that applies to a certificate of this lifetime: min(limit, 1 % of the lifetime), and at
/// least 1 s, the resolution of X.509. So certificates of minutes behave like certificates of years.
Seconds for_lifetime(Seconds limit, Seconds lifetime);

}  // namespace hwenroll::scep
