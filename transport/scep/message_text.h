// Messages that somebody saved as text: PEM, base64, or the URL of a GET (RFC 8894 §4.1).
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// The octets behind a text.
struct TextMessage {
    Bytes octets;
    std::string form;  ///< what they were read from, e.g. "PEM (CERTIFICATE)", "base64", "the message of a GET"
};

/// The first PEM block, or the `message` parameter of a URL or request line, or base64 that may be percent-encoded.
/// base64url is read like base64. Nothing when `body` is none of them. Error code: scep_structure, with the offset in
/// `body`, when it begins as one of them and cannot be read.
Result<std::optional<TextMessage>> read_text_message(ByteView body);

}  // namespace hwenroll::scep
