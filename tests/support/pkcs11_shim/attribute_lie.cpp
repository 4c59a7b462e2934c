#include "tests/support/pkcs11_shim/attribute_lie.h"

#include <algorithm>

namespace hwenroll::pkcs11_shim {
namespace {

/// Octets of the head of a DER value shorter than 128.
constexpr std::ptrdiff_t short_head = 2;

}  // namespace

AttributeLie::AttributeLie(const Action& action, const CK_ATTRIBUTE* attributes, CK_ULONG count)
    : action_(action), before_(count) {
    for (CK_ULONG i = 0; i < count; ++i) {
        if (const auto* const value = static_cast<const CK_BYTE*>(attributes[i].pValue); value != nullptr) {
            before_[i].assign(value, value + attributes[i].ulValueLen);
        }
    }
}

void AttributeLie::spoil(CK_ATTRIBUTE* attributes) const {
    for (std::size_t i = 0; i < before_.size(); ++i) {
        const bool given = attributes[i].pValue != nullptr && attributes[i].ulValueLen <= before_[i].size();
        if (given && attributes[i].type == action_.value) {
            spoil_one(attributes[i], before_[i]);
        }
    }
}

void AttributeLie::spoil_one(CK_ATTRIBUTE& attribute, const std::vector<CK_BYTE>& before) const {
    auto* const value = static_cast<CK_BYTE*>(attribute.pValue);
    const auto size = static_cast<std::ptrdiff_t>(attribute.ulValueLen);
    switch (action_.kind) {
        case Action::Kind::absent:
            attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            break;
        case Action::Kind::unwritten:
            std::copy_n(before.begin(), size, value);
            break;
        case Action::Kind::wrong:
            if (size > 0) {
                value[size - 1] ^= 1U;
            }
            break;
        case Action::Kind::bare:
            if (size >= short_head) {
                std::copy(value + short_head, value + size, value);
                attribute.ulValueLen -= short_head;
            }
            break;
        default:
            break;
    }
}

}  // namespace hwenroll::pkcs11_shim
