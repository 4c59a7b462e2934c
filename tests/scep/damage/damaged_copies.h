// Copies of a body as a bad network or a bad peer might leave them (SEC-18).
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace hwenroll::test {

/// A recorded body and which of its octets a test takes: those whose place leaves `part` when divided by `parts`.
struct DamageCase {
    std::string name;    ///< file in tests/data/captures
    std::string ca_set;  ///< the GetCACert body that belongs to it; empty: its own certificates
    std::size_t part = 0;
    std::size_t parts = 1;
};

inline std::ostream& operator<<(std::ostream& out, const DamageCase& one) {
    return out << one.name << ", part " << one.part + 1 << " of " << one.parts;
}

inline std::string case_name(const testing::TestParamInfo<DamageCase>& info) {
    std::string name = info.param.name + "_" + std::to_string(info.param.part + 1);
    std::ranges::replace_if(
        name, [](char c) { return c == '.' || c == '-'; }, '_');
    return name;
}

/// Each of `bodies` in as many parts.
inline std::vector<DamageCase> divided(const std::vector<DamageCase>& bodies, std::size_t parts) {
    std::vector<DamageCase> all;
    for (const DamageCase& body : bodies) {
        for (std::size_t part = 0; part < parts; ++part) {
            all.push_back({body.name, body.ca_set, part, parts});
        }
    }
    return all;
}

/// Calls `use` with every beginning of `body` that is shorter than it.
template <class Use>
void for_each_cut(const DamageCase& which, ByteView body, Use use) {
    for (std::size_t size = which.part; size < body.size(); size += which.parts) {
        use(to_bytes(body.first(size)));
    }
}

/// Flips of the lowest bit, of the highest and of all: other lengths and values, other tags and signs, other
/// everything.
inline const std::vector<std::uint8_t>& three_flips() {
    static const std::vector<std::uint8_t> flips{0x01, 0x80, 0xFF};
    return flips;
}

/// All 255 of them, for short bodies.
inline const std::vector<std::uint8_t>& all_flips() {
    static const std::vector<std::uint8_t> flips = [] {
        std::vector<std::uint8_t> all;
        for (unsigned flip = 1; flip <= 0xFF; ++flip) {
            all.push_back(static_cast<std::uint8_t>(flip));
        }
        return all;
    }();
    return flips;
}

/// Calls `use` with `body` after each of `flips` of each octet, one at a time, and the octet's place.
template <class Use>
void for_each_flip(const DamageCase& which, ByteView body, const std::vector<std::uint8_t>& flips, Use use) {
    Bytes damaged = to_bytes(body);
    for (std::size_t at = which.part; at < body.size(); at += which.parts) {
        for (const std::uint8_t flip : flips) {
            damaged[at] = static_cast<std::uint8_t>(body[at] ^ flip);
            use(damaged, at);
        }
        damaged[at] = body[at];
    }
}

}  // namespace hwenroll::test
