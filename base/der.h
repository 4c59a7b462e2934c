// The one rule of DER that is needed where no ASN.1 library is worth its time.
#pragma once

#include "base/bytes.h"

namespace hwenroll {

/// Appends an element of `tag` (an identifier octet) around `content`, of less than 65,536 octets (X.690 §8.1.3).
void append_der(Bytes& out, std::uint8_t tag, ByteView content);

}  // namespace hwenroll
