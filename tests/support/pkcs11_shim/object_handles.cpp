#include "tests/support/pkcs11_shim/object_handles.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace hwenroll::pkcs11_shim {
namespace {

constexpr unsigned mark_bit = 48;

}  // namespace

CK_OBJECT_HANDLE ObjectHandles::outward(CK_OBJECT_HANDLE real) const {
    return real == CK_INVALID_HANDLE ? real : real | time_ << mark_bit;
}

std::optional<CK_OBJECT_HANDLE> ObjectHandles::inward(CK_OBJECT_HANDLE handle) const {
    if (handle >> mark_bit != time_) {
        return std::nullopt;
    }
    return handle & ((CK_OBJECT_HANDLE{1} << mark_bit) - 1);
}

CK_OBJECT_HANDLE other_object(const CK_FUNCTION_LIST& real, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    // A session of its own: a search may be under way in the caller's.
    CK_SESSION_INFO info{};
    CK_SESSION_HANDLE own = CK_INVALID_HANDLE;
    real.C_GetSessionInfo(session, &info);
    real.C_OpenSession(info.slotID, CKF_SERIAL_SESSION, nullptr, nullptr, &own);
    CK_OBJECT_CLASS half = 0;
    CK_ATTRIBUTE search{CKA_CLASS, &half, sizeof half};
    real.C_GetAttributeValue(own, object, &search, 1);
    std::array<CK_OBJECT_HANDLE, 16> found{};
    CK_ULONG count = 0;
    real.C_FindObjectsInit(own, &search, 1);
    real.C_FindObjects(own, found.data(), found.size(), &count);
    real.C_FindObjectsFinal(own);
    real.C_CloseSession(own);
    const auto* const end = found.begin() + count;
    const auto* const other = std::find_if(found.cbegin(), end, [&](CK_OBJECT_HANDLE each) { return each != object; });
    if (other == end) {
        std::fputs("hwenroll-pkcs11-shim: swap: there is no other object of this class\n", stderr);
        std::abort();
    }
    return *other;
}

}  // namespace hwenroll::pkcs11_shim
