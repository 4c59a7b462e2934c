// The inner layer of SCEP messages: CMS EnvelopedData (RFC 5652 §6) laid open without a key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// A KeyTransRecipientInfo (RFC 5652 §6.2.1), borrowed.
struct KeyTransRecipient {
    CertificateId id;
    AlgorithmId algorithm;
    Bytes encrypted_key;
};

/// Borrowed from the message.
struct EnvelopedData {
    std::vector<KeyTransRecipient> recipients;
    std::vector<BerValue> agreements;  ///< KeyAgreeRecipientInfos, unread: one for somebody else may be anything
    std::vector<BerValue> passwords;   ///< PasswordRecipientInfos, likewise
    std::vector<std::string> other_recipients;  ///< what those two and all others are, e.g. "password"
    std::string content_type;
    AlgorithmId content_algorithm;
    std::optional<Bytes> encrypted_content;
};

/// Reads ContentInfo(EnvelopedData). Error code: scep_envelope; scep_algorithm for AuthEnvelopedData (ENV-17).
Result<EnvelopedData> parse_enveloped_data(ByteView input, const ParseLimits& limits);

/// Opens the envelope for one of its recipients with one raw operation of `key`, whose modulus has `modulus_size`
/// octets; see open_envelope(). Errors: scep_algorithm, scep_envelope, scep_decrypt.
Result<Secret> open_for_recipient(const EnvelopedData& data, const KeyTransRecipient& recipient, EVP_PKEY* key,
                                  std::size_t modulus_size, const LegacyPermissions& legacy, const ParseLimits& limits);

}  // namespace hwenroll::scep
