// Which numbers of objects a caller holds, and how they go bad.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>

#include "tests/support/pkcs11_shim/functions.h"

namespace hwenroll::pkcs11_shim {

/// The argument of `function` that is an object's handle, from 0; nothing where none is.
constexpr std::optional<std::size_t> object_argument(Function function) {
    switch (function) {
        case Function::C_CopyObject:
        case Function::C_DestroyObject:
        case Function::C_DigestKey:
        case Function::C_GetAttributeValue:
        case Function::C_GetObjectSize:
        case Function::C_SetAttributeValue:
            return 1;
        case Function::C_DecryptInit:
        case Function::C_DeriveKey:
        case Function::C_EncryptInit:
        case Function::C_SignInit:
        case Function::C_SignRecoverInit:
        case Function::C_UnwrapKey:
        case Function::C_VerifyInit:
        case Function::C_VerifyRecoverInit:
        case Function::C_WrapKey:
            return 2;
        default:
            return std::nullopt;
    }
}

/// How many of the last arguments of `function` point to a handle of a new object.
constexpr std::size_t objects_made(Function function) {
    switch (function) {
        case Function::C_CopyObject:
        case Function::C_CreateObject:
        case Function::C_DeriveKey:
        case Function::C_GenerateKey:
        case Function::C_UnwrapKey:
            return 1;
        case Function::C_GenerateKeyPair:
            return 2;
        default:
            return 0;
    }
}

/// Gives each handle that goes out the mark of its time, so that old ones can be told apart. Handles of the real module
/// have 48 bits at most, as pointers do. Thread-safe.
class ObjectHandles {
 public:
    /// What is handed out from here on is of another time than all before it.
    void invalidate() { ++time_; }

    [[nodiscard]] CK_OBJECT_HANDLE outward(CK_OBJECT_HANDLE real) const;

    /// Nothing for a handle that has been invalidated.
    [[nodiscard]] std::optional<CK_OBJECT_HANDLE> inward(CK_OBJECT_HANDLE handle) const;

 private:
    std::atomic<unsigned long> time_ = 0;
};

/// Another object of the same class in the same token, in the real module's numbers; aborts the process where there is
/// none, since a test would prove nothing.
CK_OBJECT_HANDLE other_object(const CK_FUNCTION_LIST& real, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);

/// An object of the token that is neither of the two; aborts likewise.
CK_OBJECT_HANDLE object_beside(const CK_FUNCTION_LIST& real, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE one,
                               CK_OBJECT_HANDLE other);

}  // namespace hwenroll::pkcs11_shim
