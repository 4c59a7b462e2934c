// The functions of PKCS#11 v2.40, once.
#pragma once

#include <cstddef>
#include <iterator>
#include <string_view>

#include <p11-kit/pkcs11.h>

// Every member of CK_FUNCTION_LIST but C_GetFunctionList (PKCS#11 v2.40 §3.6), in its order.
// The formatter would indent each row further than the one before.
// clang-format off
#define HWENROLL_PKCS11_FUNCTIONS(X) \
    X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetSlotList) X(C_GetSlotInfo) X(C_GetTokenInfo) \
    X(C_GetMechanismList) X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN) X(C_SetPIN) X(C_OpenSession) \
    X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState) X(C_SetOperationState) \
    X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) X(C_DestroyObject) X(C_GetObjectSize) \
    X(C_GetAttributeValue) X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects) X(C_FindObjectsFinal) \
    X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal) X(C_DecryptInit) X(C_Decrypt) \
    X(C_DecryptUpdate) X(C_DecryptFinal) X(C_DigestInit) X(C_Digest) X(C_DigestUpdate) X(C_DigestKey) \
    X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate) X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover) \
    X(C_VerifyInit) X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) X(C_VerifyRecover) \
    X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate) X(C_DecryptVerifyUpdate) \
    X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey) X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) \
    X(C_GenerateRandom) X(C_GetFunctionStatus) X(C_CancelFunction) X(C_WaitForSlotEvent)
// clang-format on

namespace hwenroll::pkcs11_shim {

enum class Function : std::size_t {
#define X(name) name,
    HWENROLL_PKCS11_FUNCTIONS(X)
#undef X
};

inline constexpr std::string_view function_names[] = {
#define X(name) #name,
    HWENROLL_PKCS11_FUNCTIONS(X)
#undef X
};

inline constexpr std::size_t function_count = std::size(function_names);

inline std::string_view name_of(Function function) {
    return function_names[static_cast<std::size_t>(function)];
}

/// Whether the first argument is a session's handle; a slot's number has the same type.
constexpr bool takes_session(Function function) {
    switch (function) {
        case Function::C_Initialize:
        case Function::C_Finalize:
        case Function::C_GetInfo:
        case Function::C_GetSlotList:
        case Function::C_GetSlotInfo:
        case Function::C_GetTokenInfo:
        case Function::C_GetMechanismList:
        case Function::C_GetMechanismInfo:
        case Function::C_InitToken:
        case Function::C_OpenSession:
        case Function::C_CloseAllSessions:
        case Function::C_WaitForSlotEvent:
            return false;
        default:
            return true;
    }
}

}  // namespace hwenroll::pkcs11_shim
