// CK_ATTRIBUTE arrays with their storage: templates to send and buffers to fill. Internal to keystore/pkcs11.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <p11-kit/pkcs11.h>

#include "base/bytes.h"

namespace hwenroll::keystore::pkcs11 {

/// A list of attributes that owns what its CK_ATTRIBUTEs point to. Used both ways: the put_ functions set values for a
/// search or a generation, expect() reserves room for C_GetAttributeValue.
class Attributes {
 public:
    Attributes() = default;
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    Attributes(Attributes&&) = default;
    Attributes& operator=(Attributes&&) = default;
    ~Attributes() = default;

    Attributes& put_flag(CK_ATTRIBUTE_TYPE type, bool value);
    Attributes& put_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
    Attributes& put_octets(CK_ATTRIBUTE_TYPE type, ByteView value);

    /// Room for a value of at most `capacity` octets.
    Attributes& expect(CK_ATTRIBUTE_TYPE type, std::size_t capacity);
    Attributes& expect_flag(CK_ATTRIBUTE_TYPE type);

    [[nodiscard]] CK_ATTRIBUTE* data() { return list_.data(); }
    [[nodiscard]] CK_ULONG size() const { return list_.size(); }

    /// The value of `type`, borrowed; nothing when the token has not given it.
    [[nodiscard]] std::optional<ByteView> octets(CK_ATTRIBUTE_TYPE type) const;

    /// The value of a CK_BBOOL; `otherwise` when the token has given neither CK_TRUE nor CK_FALSE, or nothing.
    [[nodiscard]] bool flag(CK_ATTRIBUTE_TYPE type, bool otherwise) const;

 private:
    std::vector<Bytes> values_;  // growing moves the Bytes but not what they hold
    std::vector<CK_ATTRIBUTE> list_;
};

}  // namespace hwenroll::keystore::pkcs11
