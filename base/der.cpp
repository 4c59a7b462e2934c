#include "base/der.h"

namespace hwenroll {

void append_der(Bytes& out, std::uint8_t tag, ByteView content) {
    const std::size_t size = content.size();
    out.push_back(tag);
    if (size >= 0x100) {
        out.insert(out.end(), {0x82, static_cast<std::uint8_t>(size >> 8U)});
    } else if (size >= 0x80) {
        out.push_back(0x81);
    }
    out.push_back(static_cast<std::uint8_t>(size));
    out.insert(out.end(), content.begin(), content.end());
}

}  // namespace hwenroll
