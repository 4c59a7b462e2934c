// The `message` parameter of a GET PKIOperation (RFC 8894 §4.1): decoded leniently, judged strictly (SRV-2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::lab_ca {

struct GetMessage {
    std::optional<Bytes> octets;          ///< absent when it cannot be decoded
    std::vector<std::string> deviations;  ///< from base64 that is then percent-encoded (HTTP-11), one line a form
};

/// Decodes `parameter` as it stood in the URL. Accepts `+`, `/` and `=` unescaped, blanks for `+`, line breaks,
/// lower-case hex, missing padding and base64url.
GetMessage decode_get_message(std::string_view parameter);

}  // namespace hwenroll::lab_ca
