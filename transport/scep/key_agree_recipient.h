// KeyAgreeRecipientInfo (RFC 5652 §6.2.2, RFC 5753 §3.1): a content key that is wrapped under a secret of two EC keys.
#pragma once

#include "transport/scep/cert_rep.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// Borrowed from the message.
struct KeyAgreeRecipient {
    AlgorithmId originator_algorithm;  ///< of the ephemeral key; its oid is empty where there is none
    Bytes originator_point;            ///< that key
    Bytes user_keying_material;        ///< ukm; empty: none
    AlgorithmId algorithm;             ///< keyEncryptionAlgorithm
    struct WrappedKey {
        CertificateId id;
        Bytes octets;
    };
    std::vector<WrappedKey> keys;  ///< recipientEncryptedKeys
};

/// Reads a RecipientInfo of the choice kari. Error code: scep_envelope.
Result<KeyAgreeRecipient> read_key_agree_recipient(const BerValue& value);

/// What has to be agreed upon to take out `wrapped`, one of the recipient's keys, which is for `certificate`. Errors:
/// scep_algorithm (no ephemeral key of the sender's, or another scheme than dhSinglePass-stdDH), scep_decrypt (the
/// point is not one on the certificate's curve, BAD-102).
Result<KeyAgreement> agreement_of(const KeyAgreeRecipient& recipient, const KeyAgreeRecipient::WrappedKey& wrapped,
                                  const Certificate& certificate);

}  // namespace hwenroll::scep
