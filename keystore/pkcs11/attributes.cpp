#include "keystore/pkcs11/attributes.h"

#include <algorithm>
#include <cstring>

namespace hwenroll::keystore::pkcs11 {

Attributes& Attributes::put_octets(CK_ATTRIBUTE_TYPE type, ByteView value) {
    values_.push_back(to_bytes(value));
    list_.push_back({type, values_.back().data(), values_.back().size()});
    return *this;
}

Attributes& Attributes::put_flag(CK_ATTRIBUTE_TYPE type, bool value) {
    const CK_BBOOL octet = value ? CK_TRUE : CK_FALSE;
    return put_octets(type, ByteView(&octet, sizeof octet));
}

Attributes& Attributes::put_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    Bytes octets(sizeof value);
    std::memcpy(octets.data(), &value, sizeof value);
    return put_octets(type, octets);
}

/// Neither CK_TRUE nor CK_FALSE: a module that says CKR_OK and writes nothing has not answered (T21).
Attributes& Attributes::expect_flag(CK_ATTRIBUTE_TYPE type) {
    constexpr CK_BBOOL unwritten = 0xA5;
    return put_octets(type, ByteView(&unwritten, sizeof unwritten));
}

Attributes& Attributes::expect(CK_ATTRIBUTE_TYPE type, std::size_t capacity) {
    return put_octets(type, Bytes(capacity));
}

std::optional<ByteView> Attributes::octets(CK_ATTRIBUTE_TYPE type) const {
    const auto found = std::find_if(list_.begin(), list_.end(), [type](const auto& item) { return item.type == type; });
    if (found == list_.end() || found->ulValueLen == CK_UNAVAILABLE_INFORMATION) {
        return std::nullopt;
    }
    const Bytes& value = values_[static_cast<std::size_t>(found - list_.begin())];
    return ByteView(value).first(std::min<std::size_t>(found->ulValueLen, value.size()));
}

bool Attributes::flag(CK_ATTRIBUTE_TYPE type, bool otherwise) const {
    const auto value = octets(type);
    const bool given =
        value && value->size() == sizeof(CK_BBOOL) && (value->front() == CK_TRUE || value->front() == CK_FALSE);
    return given ? value->front() == CK_TRUE : otherwise;
}

}  // namespace hwenroll::keystore::pkcs11
