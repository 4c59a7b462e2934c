#include "tests/support/pkcs11_shim/object_handles.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace hwenroll::pkcs11_shim {
namespace {

constexpr unsigned mark_bit = 48;

/// A session with the same token: a search may be under way in the caller's.
class OwnSession {
 public:
    OwnSession(const CK_FUNCTION_LIST& real, CK_SESSION_HANDLE callers) : real_(real) {
        CK_SESSION_INFO info{};
        real_.C_GetSessionInfo(callers, &info);
        real_.C_OpenSession(info.slotID, CKF_SERIAL_SESSION, nullptr, nullptr, &handle_);
    }
    OwnSession(const OwnSession&) = delete;
    OwnSession& operator=(const OwnSession&) = delete;
    ~OwnSession() { real_.C_CloseSession(handle_); }

    [[nodiscard]] CK_OBJECT_CLASS class_of(CK_OBJECT_HANDLE object) const {
        CK_OBJECT_CLASS half = 0;
        CK_ATTRIBUTE wanted{CKA_CLASS, &half, sizeof half};
        real_.C_GetAttributeValue(handle_, object, &wanted, 1);
        return half;
    }

    /// The first object with these attributes that is none of `but`; aborts where there is none.
    [[nodiscard]] CK_OBJECT_HANDLE find(CK_ATTRIBUTE* search, CK_ULONG count,
                                        std::initializer_list<CK_OBJECT_HANDLE> but) const {
        std::array<CK_OBJECT_HANDLE, 16> found{};
        CK_ULONG number = 0;
        real_.C_FindObjectsInit(handle_, search, count);
        real_.C_FindObjects(handle_, found.data(), found.size(), &number);
        real_.C_FindObjectsFinal(handle_);
        const auto* const end = found.cbegin() + number;
        const auto* const other = std::find_if(found.cbegin(), end, [&](CK_OBJECT_HANDLE each) {
            return std::find(but.begin(), but.end(), each) == but.end();
        });
        if (other == end) {
            std::fputs("hwenroll-pkcs11-shim: a rule needs another object, and there is none\n", stderr);
            std::abort();
        }
        return *other;
    }

 private:
    const CK_FUNCTION_LIST& real_;
    CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

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
    const OwnSession own(real, session);
    CK_OBJECT_CLASS half = own.class_of(object);
    CK_ATTRIBUTE search{CKA_CLASS, &half, sizeof half};
    return own.find(&search, 1, {object});
}

CK_OBJECT_HANDLE object_beside(const CK_FUNCTION_LIST& real, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE one,
                               CK_OBJECT_HANDLE other) {
    return OwnSession(real, session).find(nullptr, 0, {one, other});
}

}  // namespace hwenroll::pkcs11_shim
