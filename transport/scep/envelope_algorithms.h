// What a reply's envelope was made with, for the history (SEC-5).
#pragma once

#include <optional>
#include <string>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// The algorithms of an envelope, as it names them.
struct EnvelopeAlgorithms {
    std::optional<ContentCipher> cipher;  ///< nothing: one that SCEP does not use
    std::string key_encryption;           ///< printable: `RSAES-PKCS1-v1_5`, or what the recipient is found by
};

/// Reads ContentInfo(EnvelopedData) without a key; `recipient`: whose the envelope should be. Nothing when it cannot be
/// read.
std::optional<EnvelopeAlgorithms> algorithms_of(ByteView envelope, const Certificate& recipient,
                                                const ParseLimits& limits);

}  // namespace hwenroll::scep
