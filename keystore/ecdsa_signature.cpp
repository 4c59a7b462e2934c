#include "keystore/ecdsa_signature.h"

#include <algorithm>

namespace hwenroll::keystore {

namespace {

// Up to here every length takes one octet of DER.
constexpr std::size_t max_number = 48;

constexpr std::uint8_t tag_integer = 0x02;
constexpr std::uint8_t tag_sequence = 0x30;

/// X.690 §8.3: no needless leading zero, and one before a set top bit, since the number is not negative.
void append_integer(Bytes& out, ByteView number) {
    const auto first = std::find_if(number.begin(), number.end() - 1, [](std::uint8_t octet) { return octet != 0; });
    const bool padded = (*first & 0x80U) != 0;
    out.push_back(tag_integer);
    out.push_back(static_cast<std::uint8_t>(number.end() - first + (padded ? 1 : 0)));
    if (padded) {
        out.push_back(0);
    }
    out.insert(out.end(), first, number.end());
}

}  // namespace

Bytes ecdsa_signature_value(ByteView r_and_s) {
    const std::size_t half = r_and_s.size() / 2;
    if (half == 0 || half > max_number || r_and_s.size() % 2 != 0) {
        return {};
    }
    Bytes numbers;
    append_integer(numbers, r_and_s.first(half));
    append_integer(numbers, r_and_s.subspan(half));
    Bytes der = {tag_sequence, static_cast<std::uint8_t>(numbers.size())};
    der.insert(der.end(), numbers.begin(), numbers.end());
    return der;
}

}  // namespace hwenroll::keystore
