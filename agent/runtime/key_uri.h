// The name under which other programs find a key that hwenroll keeps.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hwenroll::runtime {

/// The token's RFC 7512 URI with `id` (percent-encoded) and `type=private` added to its path; a query is dropped.
std::string key_uri(std::string_view token_uri, ByteView key_id);

}  // namespace hwenroll::runtime
