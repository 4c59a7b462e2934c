// Requests on the wire: EnvelopedData inside SignedData (RFC 8894 §3).
#pragma once

#include <optional>
#include <vector>

#include "base/certificate.h"
#include "base/secret.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Encrypts messageData for one recipient: ContentInfo(EnvelopedData v0), one KeyTransRecipientInfo by issuer and
/// serial, RSAES-PKCS1-v1_5 or RSAES-OAEP with SHA-256 (ENV-1…5, ALG-8). DER. The content key is drawn by libcrypto and
/// wiped; no copy of the messageData, which may hold a challenge, is left in memory. Errors: ca_no_recipient,
/// ca_algorithm (single DES), crypto.
Result<Bytes> seal(ByteView message_data, const Certificate& recipient, ContentCipher cipher,
                   KeyTransport transport = KeyTransport::pkcs1);

/// Encrypts messageData under the challenge, for a CA without an RSA key: ContentInfo(EnvelopedData v3), one
/// PasswordRecipientInfo by PBKDF2 with HMAC-SHA-256 and id-alg-PWRI-KEK (ENV-5, ENV-6). DER. Without a challenge
/// nothing is encrypted and the error is challenge_source (ENV-8, ENV-9). Errors also: ca_algorithm (single DES),
/// crypto.
Result<Bytes> seal_by_password(ByteView message_data, const Secret& challenge, ContentCipher cipher);

/// Below this many octets a challenge that encrypts can be guessed from one captured message (ENV-9, RFC 8894 §7.3).
inline constexpr std::size_t least_password = 16;

/// messageData of a CertPoll (MSG-22): issuer = subject of the issuing CA, subject = that of the request.
Bytes cert_poll_data(const DistinguishedName& issuer, const DistinguishedName& subject);

/// All that one signed message is made of.
struct PkiMessage {
    MessageType type = MessageType::pkcs_req;
    TransactionId transaction_id;
    Nonce sender_nonce;  ///< fresh for every call (MSG-7)
    Bytes envelope;      ///< from seal()
    Certificate signer;  ///< embedded (SIG-5); of a RenewalReq the current certificate (SIG-3)
    Digest digest = Digest::sha256;
    /// The present, when the clock is trusted. Left out of the message while the signer is not valid yet: servers would
    /// answer badTime (SIG-8).
    std::optional<TimePoint> signing_time;
    std::vector<Certificate> chain = {};  ///< embedded beside the signer's, which is another CA's (SIG-4, SIG-5)
};

/// Signs: one private operation of `key`, which must be the signer's. One SignerInfo, version 1, attributes as §2.1 of
/// the requirements, DER (SIG-4…9, MSG-1…7). A RenewalReq is refused to a self-issued signer: the server could not tell
/// whose renewal it is (RFC 8894 §2.3), and one signed with SHA-1, since nothing but the signature vouches for it
/// (SEC-5). Errors: crypto.
Result<Bytes> sign_message(const PkiMessage& message, EVP_PKEY* key);

}  // namespace hwenroll::scep
