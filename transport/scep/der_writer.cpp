#include "transport/scep/der_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/openssl_ptr.h"

namespace hwenroll::scep::der {
namespace {

void append_length(Bytes& out, std::size_t length) {
    if (length < 0x80) {
        out.push_back(static_cast<std::uint8_t>(length));
        return;
    }
    std::array<std::uint8_t, sizeof length> digits{};
    std::size_t count = 0;
    for (; length != 0; length >>= 8U) {
        digits[count++] = static_cast<std::uint8_t>(length & 0xFFU);
    }
    out.push_back(static_cast<std::uint8_t>(0x80U | count));
    while (count != 0) {
        out.push_back(digits[--count]);
    }
}

void append(Bytes& out, ByteView octets) {
    out.insert(out.end(), octets.begin(), octets.end());
}

}  // namespace

Bytes value(std::uint8_t tag, ByteView content) {
    Bytes out;
    out.reserve(content.size() + 2 + sizeof(std::size_t));
    out.push_back(tag);
    append_length(out, content.size());
    append(out, content);
    return out;
}

Bytes constructed(std::uint8_t tag, std::initializer_list<ByteView> parts) {
    Bytes content;
    for (const ByteView part : parts) {
        append(content, part);
    }
    return value(tag, content);
}

Secret secret(std::uint8_t tag, std::initializer_list<ByteView> parts) {
    std::size_t size = 0;
    for (const ByteView part : parts) {
        size += part.size();
    }
    Bytes out;
    out.reserve(size + 2 + sizeof size);  // a vector that grew would leave copies behind
    out.push_back(tag);
    append_length(out, size);
    for (const ByteView part : parts) {
        append(out, part);
    }
    return Secret(std::move(out));
}

Bytes set_of(std::uint8_t tag, std::vector<Bytes> parts) {
    // Complete encodings differ before one ends, so the order of vectors is that of §11.6.
    std::ranges::sort(parts);
    Bytes content;
    for (const Bytes& part : parts) {
        append(content, part);
    }
    return value(tag, content);
}

Bytes small_integer(std::uint8_t number) {
    return {0x02, 0x01, number};
}

Bytes bit_string(ByteView octets) {
    constexpr std::array<std::uint8_t, 1> no_unused_bits{0};
    return constructed(tag_bit_string, {no_unused_bits, octets});
}

Bytes object_identifier(std::string_view dotted) {
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(std::string(dotted).c_str(), 1));
    return der_of([&](unsigned char** out) { return i2d_ASN1_OBJECT(object.get(), out); });
}

Bytes algorithm_with_null(std::string_view dotted) {
    constexpr std::array<std::uint8_t, 2> null{0x05, 0x00};
    return constructed(tag_sequence, {object_identifier(dotted), null});
}

Bytes algorithm(std::string_view dotted) {
    return constructed(tag_sequence, {object_identifier(dotted)});
}

}  // namespace hwenroll::scep::der
