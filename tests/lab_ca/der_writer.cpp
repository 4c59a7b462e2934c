#include "tests/lab_ca/der_writer.h"

#include <stdexcept>

#include "base/openssl_ptr.h"
#include "tests/lab_ca/asn1_reader.h"

namespace hwenroll::lab_ca::der {
namespace {

constexpr std::uint8_t sequence_octet = 0x30;
constexpr std::uint8_t set_octet = 0x31;
constexpr std::uint8_t context_0_octet = 0xa0;
constexpr std::uint8_t context_1_octet = 0xa1;

Bytes joined_views(std::initializer_list<ByteView> parts) {
    Bytes out;
    for (const ByteView part : parts) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

}  // namespace

Bytes element(std::uint8_t identifier, std::initializer_list<ByteView> parts) {
    return wrap_der(identifier, joined_views(parts));
}

Bytes element(std::uint8_t identifier, const std::vector<Bytes>& parts) {
    return wrap_der(identifier, joined(parts));
}

Bytes indefinite(std::uint8_t identifier, std::initializer_list<ByteView> parts) {
    constexpr std::uint8_t unknown_length = 0x80;
    const Bytes header{identifier, unknown_length};
    const Bytes end{0, 0};
    return joined_views({header, joined_views(parts), end});
}

Bytes sequence(std::initializer_list<ByteView> parts) {
    return element(sequence_octet, parts);
}

Bytes set(std::initializer_list<ByteView> parts) {
    return element(set_octet, parts);
}

Bytes context_0(std::initializer_list<ByteView> parts) {
    return element(context_0_octet, parts);
}

Bytes context_1(std::initializer_list<ByteView> parts) {
    return element(context_1_octet, parts);
}

Bytes integer(std::uint8_t number) {
    return wrap_der(asn1_tag::integer, Bytes{number});
}

Bytes integer(ByteView content) {
    return wrap_der(asn1_tag::integer, content);
}

Bytes octet_string(ByteView content) {
    return wrap_der(asn1_tag::octet_string, content);
}

Bytes printable(std::string_view text) {
    return wrap_der(asn1_tag::printable_string, as_bytes(text));
}

Bytes utf8(std::string_view text) {
    return wrap_der(asn1_tag::utf8_string, as_bytes(text));
}

Bytes object(std::string_view dotted) {
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(std::string(dotted).c_str(), 1));
    if (!object) {
        throw std::runtime_error("no OID: " + std::string(dotted));
    }
    return der_of([&](unsigned char** out) { return i2d_ASN1_OBJECT(object.get(), out); });
}

Bytes algorithm(std::string_view dotted, ByteView parameters) {
    return sequence({object(dotted), parameters});
}

Bytes null() {
    return {asn1_tag::null, 0};
}

Bytes joined(const std::vector<Bytes>& parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

Bytes content_info(std::string_view type, ByteView content) {
    return sequence({object(type), context_0({content})});
}

}  // namespace hwenroll::lab_ca::der
