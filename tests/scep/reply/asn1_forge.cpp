#include "tests/scep/reply/asn1_forge.h"

#include <algorithm>
#include <stdexcept>

#include "base/openssl_ptr.h"

namespace hwenroll::test::asn1 {
namespace {

void put(Bytes& out, ByteView part) {
    out.insert(out.end(), part.begin(), part.end());
}

Bytes with_header(std::uint8_t tag, ByteView content) {
    Bytes out{tag};
    if (content.size() < 128) {
        out.push_back(static_cast<std::uint8_t>(content.size()));
    } else {
        Bytes digits;
        for (std::size_t left = content.size(); left > 0; left /= 256) {
            digits.push_back(static_cast<std::uint8_t>(left % 256));
        }
        out.push_back(static_cast<std::uint8_t>(128 + digits.size()));
        out.insert(out.end(), digits.rbegin(), digits.rend());
    }
    put(out, content);
    return out;
}

}  // namespace

Bytes value(std::uint8_t tag, std::initializer_list<ByteView> parts) {
    Bytes content;
    for (const ByteView part : parts) {
        put(content, part);
    }
    return with_header(tag, content);
}

Bytes value(std::uint8_t tag, const std::vector<Bytes>& parts) {
    return with_header(tag, joined(parts));
}

Bytes indefinite(std::uint8_t tag, std::initializer_list<ByteView> parts) {
    Bytes out{tag, 0x80};
    for (const ByteView part : parts) {
        put(out, part);
    }
    out.insert(out.end(), {0x00, 0x00});
    return out;
}

Bytes sequence(std::initializer_list<ByteView> parts) {
    return value(0x30, parts);
}

Bytes set(std::initializer_list<ByteView> parts) {
    return value(0x31, parts);
}

Bytes tagged(unsigned number, std::initializer_list<ByteView> parts) {
    return value(static_cast<std::uint8_t>(0xA0 + number), parts);
}

Bytes integer(std::uint8_t number) {
    return {0x02, 0x01, number};
}

Bytes octet_string(ByteView content) {
    return with_header(0x04, content);
}

Bytes octet_string_in_pieces(ByteView content, std::size_t size) {
    Bytes pieces;
    for (std::size_t at = 0; at < content.size(); at += size) {
        put(pieces, octet_string(content.subspan(at, std::min(size, content.size() - at))));
    }
    return indefinite(0x24, {pieces});
}

Bytes printable_string(std::string_view text) {
    return with_header(0x13, as_bytes(text));
}

Bytes oid(const std::string& dotted) {
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(dotted.c_str(), 1));
    if (!object) {
        throw std::runtime_error("no OID: " + dotted);
    }
    return der_of([&](unsigned char** out) { return i2d_ASN1_OBJECT(object.get(), out); });
}

Bytes null() {
    return {0x05, 0x00};
}

Bytes algorithm(const std::string& dotted, ByteView parameters) {
    const Bytes absent = null();
    return sequence({oid(dotted), parameters.empty() ? ByteView(absent) : parameters});
}

Bytes joined(const std::vector<Bytes>& parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        put(out, part);
    }
    return out;
}

}  // namespace hwenroll::test::asn1
