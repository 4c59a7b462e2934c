#include "agent/runtime/machine_id.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <string>

namespace hwenroll::runtime {
namespace {

/// Chosen once for this program.
constexpr std::array<std::uint8_t, 16> application{0x1f, 0x6e, 0x4c, 0x0b, 0x52, 0x8d, 0x4a, 0x37,
                                                   0x9b, 0x0a, 0x63, 0xd4, 0x2e, 0x71, 0xc8, 0x95};

/// HMAC with SHA-256 (RFC 2104) under a key of no more than a block.
Bytes hmac(ByteView key, ByteView text) {
    constexpr std::size_t block = 64;
    const auto keyed = [&](std::uint8_t pad, ByteView rest) {
        Bytes all(block, pad);
        for (std::size_t i = 0; i < key.size(); ++i) {
            all[i] ^= key[i];
        }
        all.insert(all.end(), rest.begin(), rest.end());
        return sha256(all);
    };
    return keyed(0x5c, keyed(0x36, text));
}

}  // namespace

Bytes application_id(std::string_view text) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    const bool digits = std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (text.size() != 32 || !digits || text.find_first_not_of('0') == std::string_view::npos) {
        return {};
    }
    const auto id = from_hex(text);
    if (!id) {
        return {};
    }
    Bytes result = hmac(*id, application);
    result.resize(16);
    // A UUID of version 4 and the variant of RFC 4122.
    result[6] = static_cast<std::uint8_t>((result[6] & 0x0FU) | 0x40U);
    result[8] = static_cast<std::uint8_t>((result[8] & 0x3FU) | 0x80U);
    return result;
}

Bytes application_id_of_this_machine() {
    std::ifstream file("/etc/machine-id", std::ios::binary);
    std::string text;
    std::getline(file, text);
    return application_id(text);
}

}  // namespace hwenroll::runtime
