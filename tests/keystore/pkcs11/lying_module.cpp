// A PKCS#11 module for tests: forwards to SoftHSM2, but tells what HWENROLL_LIE says. `NAME=KIND`: every object's
// attribute NAME (spoilable, below) reads as the opposite of what a confined key has (wrong), is not given (absent), or
// is left as the caller's buffer was although the call succeeds (unwritten). `foreign-count`: C_FindObjects claims more
// objects than it was given room for. `final-try`, `locked`, `count-low`: that flag is set in the token's information.
// `bare-point`: CKA_EC_POINT is the point without its OCTET STRING. `short-signature`: C_Sign gives one octet less.
// `one-handle`: both halves of a new pair bear the handle of an object that was there before.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string_view>
#include <vector>

#include <p11-kit/pkcs11.h>

namespace {

CK_FUNCTION_LIST* real = nullptr;

std::string_view lie() {
    const char* text = std::getenv("HWENROLL_LIE");
    return text == nullptr ? "" : text;
}

struct Spoilable {
    std::string_view name;
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL wrong;
};

constexpr Spoilable spoilable[] = {
    {"sensitive", CKA_SENSITIVE, CK_FALSE},
    {"extractable", CKA_EXTRACTABLE, CK_TRUE},
    {"always_sensitive", CKA_ALWAYS_SENSITIVE, CK_FALSE},
    {"never_extractable", CKA_NEVER_EXTRACTABLE, CK_FALSE},
    {"local", CKA_LOCAL, CK_FALSE},
    {"token", CKA_TOKEN, CK_FALSE},
    {"private", CKA_PRIVATE, CK_FALSE},
};

/// What the lie makes of one attribute; `before` is what the buffer held.
void spoil(CK_ATTRIBUTE& attribute, CK_BBOOL before) {
    const auto name = lie().substr(0, lie().find('='));
    const auto kind = lie().substr(std::min(lie().size(), name.size() + 1));
    for (const Spoilable& each : spoilable) {
        if (each.name != name || each.type != attribute.type) {
            continue;
        }
        if (kind == "absent") {
            attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
        } else {
            *static_cast<CK_BBOOL*>(attribute.pValue) = kind == "wrong" ? each.wrong : before;
        }
    }
}

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
    std::vector<CK_BBOOL> before(count);
    for (CK_ULONG i = 0; i < count; ++i) {
        before[i] = attributes[i].ulValueLen == 0 ? CK_FALSE : *static_cast<CK_BBOOL*>(attributes[i].pValue);
    }
    const CK_RV rv = real->C_GetAttributeValue(session, object, attributes, count);
    for (CK_ULONG i = 0; i < count; ++i) {
        if (attributes[i].ulValueLen == sizeof(CK_BBOOL)) {
            spoil(attributes[i], before[i]);
        }
    }
    for (CK_ULONG i = 0; i < count && lie() == "bare-point"; ++i) {
        constexpr CK_ULONG head = 2;
        if (attributes[i].type == CKA_EC_POINT && attributes[i].ulValueLen != CK_UNAVAILABLE_INFORMATION) {
            attributes[i].ulValueLen -= head;
            auto* const value = static_cast<CK_BYTE*>(attributes[i].pValue);
            std::memmove(value, value + head, attributes[i].ulValueLen);
        }
    }
    return rv;
}

CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* public_half,
                        CK_ULONG public_count, CK_ATTRIBUTE* private_half, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_handle, CK_OBJECT_HANDLE* private_handle) {
    CK_OBJECT_HANDLE before = CK_INVALID_HANDLE;
    CK_ULONG found = 0;
    real->C_FindObjectsInit(session, nullptr, 0);
    real->C_FindObjects(session, &before, 1, &found);
    real->C_FindObjectsFinal(session);
    const CK_RV rv = real->C_GenerateKeyPair(session, mechanism, public_half, public_count, private_half, private_count,
                                             public_handle, private_handle);
    if (rv == CKR_OK && lie() == "one-handle") {
        *public_handle = *private_handle = before;
    }
    return rv;
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
    const CK_RV rv = real->C_Sign(session, data, size, signature, signature_size);
    if (rv == CKR_OK && signature != nullptr && lie() == "short-signature") {
        --*signature_size;
    }
    return rv;
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* found, CK_ULONG room, CK_ULONG* count) {
    const CK_RV rv = real->C_FindObjects(session, found, room, count);
    if (lie() == "foreign-count" && *count > 0) {
        *count = room + 1'000'000;
    }
    return rv;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
    const CK_RV rv = real->C_GetTokenInfo(slot, info);
    info->flags |= lie() == "final-try"   ? CKF_USER_PIN_FINAL_TRY
                   : lie() == "locked"    ? CKF_USER_PIN_LOCKED
                   : lie() == "count-low" ? CKF_USER_PIN_COUNT_LOW
                                          : 0;
    return rv;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
    static CK_FUNCTION_LIST own;
    void* const library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    const auto get_list =
        library == nullptr ? nullptr : reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    if (get_list == nullptr || get_list(&real) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    own = *real;
    own.C_GetFunctionList = C_GetFunctionList;
    own.C_GetAttributeValue = get_attribute_value;
    own.C_GenerateKeyPair = generate_key_pair;
    own.C_GetTokenInfo = get_token_info;
    own.C_Sign = sign;
    own.C_FindObjects = find_objects;
    *list = &own;
    return CKR_OK;
}
