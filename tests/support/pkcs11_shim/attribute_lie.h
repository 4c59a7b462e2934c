// One answer of C_GetAttributeValue, made false.
#pragma once

#include <vector>

#include "tests/support/pkcs11_shim/rules.h"

namespace hwenroll::pkcs11_shim {

/// Made before the call, since a lie may be that nothing was written.
class AttributeLie {
 public:
    /// `attributes` are the caller's, `count` of them.
    AttributeLie(const Action& action, const CK_ATTRIBUTE* attributes, CK_ULONG count);

    /// Spoils what the real module wrote into the same attributes, and nothing that it did not give.
    void spoil(CK_ATTRIBUTE* attributes) const;

 private:
    void spoil_one(CK_ATTRIBUTE& attribute, const std::vector<CK_BYTE>& before) const;

    Action action_;
    std::vector<std::vector<CK_BYTE>> before_;  ///< each attribute's buffer
};

}  // namespace hwenroll::pkcs11_shim
