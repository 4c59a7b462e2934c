#include "keystore/pkcs11/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "keystore/login_under_way.h"

namespace hwenroll::keystore::pkcs11 {

namespace {

/// No token holds as many keys; a search that goes on is a module's fault, and must not cost the worker its memory.
constexpr std::size_t most_objects = 65536;

/// Cryptoki takes its inputs through pointers to non-const.
CK_BYTE* in(ByteView octets) {
    return const_cast<CK_BYTE*>(octets.data());
}

CK_MECHANISM mechanism(CK_MECHANISM_TYPE type) {
    return CK_MECHANISM{type, nullptr, 0};
}

}  // namespace

Outcome<Session> Session::open(std::shared_ptr<Module> module, CK_SLOT_ID slot) {
    CK_SESSION_HANDLE handle = 0;
    const auto attempt = [&](CK_FLAGS flags) {
        return module->call(&CK_FUNCTION_LIST::C_OpenSession, slot, CK_FLAGS{CKF_SERIAL_SESSION | flags},
                            static_cast<void*>(nullptr), static_cast<CK_NOTIFY>(nullptr), &handle);
    };
    CK_RV rv = attempt(CKF_RW_SESSION);
    if (rv == CKR_TOKEN_WRITE_PROTECTED) {
        rv = attempt(0);
    }
    if (rv != CKR_OK) {
        return call_failed("C_OpenSession", rv);
    }
    return Session(std::move(module), handle);
}

Session::Session(Session&& other) noexcept : module_(std::move(other.module_)), handle_(other.handle_) {}

Session& Session::operator=(Session&& other) noexcept {
    std::swap(module_, other.module_);
    std::swap(handle_, other.handle_);
    return *this;
}

Session::~Session() {
    if (module_) {
        module_->call(&CK_FUNCTION_LIST::C_CloseSession, handle_);  // a dead session cannot be closed, nor need it be
    }
}

Outcome<void> Session::login(const Secret& pin) {
    const LoginUnderWay mark;
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_Login, handle_, CK_USER_TYPE{CKU_USER}, in(pin.reveal()),
                                   CK_ULONG{pin.size()});
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        return call_failed("C_Login", rv);
    }
    return {};
}

Outcome<bool> Session::is_logged_in() {
    CK_SESSION_INFO info{};
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_GetSessionInfo, handle_, &info);
    if (rv != CKR_OK) {
        return call_failed("C_GetSessionInfo", rv);
    }
    return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
}

Outcome<std::vector<CK_OBJECT_HANDLE>> Session::find(Attributes search) {
    CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_FindObjectsInit, handle_, search.data(), search.size());
    if (rv != CKR_OK) {
        return call_failed("C_FindObjectsInit", rv);
    }
    std::vector<CK_OBJECT_HANDLE> found;
    std::array<CK_OBJECT_HANDLE, 64> batch{};
    CK_ULONG count = 0;
    do {
        rv = module_->call(&CK_FUNCTION_LIST::C_FindObjects, handle_, batch.data(), CK_ULONG{batch.size()}, &count);
        if (rv == CKR_OK) {
            found.insert(found.end(), batch.begin(),
                         batch.begin() + static_cast<std::ptrdiff_t>(std::min<CK_ULONG>(count, batch.size())));
        }
    } while (rv == CKR_OK && count > 0 && found.size() < most_objects);
    const CK_RV final_rv = module_->call(&CK_FUNCTION_LIST::C_FindObjectsFinal, handle_);
    if (rv != CKR_OK) {
        return call_failed("C_FindObjects", rv);
    }
    if (final_rv != CKR_OK) {
        return call_failed("C_FindObjectsFinal", final_rv);
    }
    if (found.size() >= most_objects) {
        return call_failed("C_FindObjects, which finds no end", CKR_HOST_MEMORY);
    }
    return found;
}

Outcome<void> Session::read(CK_OBJECT_HANDLE object, Attributes& attributes) {
    const CK_RV rv =
        module_->call(&CK_FUNCTION_LIST::C_GetAttributeValue, handle_, object, attributes.data(), attributes.size());
    // These say that some attribute is not given; the others are filled (PKCS#11 v2.40 §5.7).
    if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_ATTRIBUTE_TYPE_INVALID &&
        rv != CKR_BUFFER_TOO_SMALL) {
        return call_failed("C_GetAttributeValue", rv);
    }
    return {};
}

Outcome<Session::KeyPair> Session::generate(CK_MECHANISM_TYPE type, Attributes public_half, Attributes private_half) {
    CK_MECHANISM how = mechanism(type);
    KeyPair pair;
    const CK_RV rv =
        module_->call(&CK_FUNCTION_LIST::C_GenerateKeyPair, handle_, &how, public_half.data(), public_half.size(),
                      private_half.data(), private_half.size(), &pair.public_half, &pair.private_half);
    if (rv != CKR_OK) {
        return call_failed("C_GenerateKeyPair", rv);
    }
    return pair;
}

Outcome<void> Session::begin_sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type) {
    CK_MECHANISM how = mechanism(type);
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_SignInit, handle_, &how, key);
    if (rv != CKR_OK) {
        return call_failed("C_SignInit", rv);
    }
    return {};
}

Outcome<void> Session::begin_decrypt(CK_OBJECT_HANDLE key, DecryptMechanism wanted) {
    const bool sha1 = wanted == DecryptMechanism::rsa_oaep_sha1;
    CK_RSA_PKCS_OAEP_PARAMS oaep{CK_MECHANISM_TYPE{sha1 ? CKM_SHA_1 : CKM_SHA256},
                                 CK_RSA_PKCS_MGF_TYPE{sha1 ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256}, CKZ_DATA_SPECIFIED,
                                 nullptr, 0};
    CK_MECHANISM how = wanted == DecryptMechanism::rsa_pkcs1 ? mechanism(CKM_RSA_PKCS)
                                                             : CK_MECHANISM{CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_DecryptInit, handle_, &how, key);
    if (rv != CKR_OK) {
        return call_failed("C_DecryptInit", rv);
    }
    return {};
}

Outcome<void> Session::login_for_use(ByteView pin) {
    const LoginUnderWay mark;
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_Login, handle_, CK_USER_TYPE{CKU_CONTEXT_SPECIFIC}, in(pin),
                                   CK_ULONG{pin.size()});
    if (rv != CKR_OK) {
        return call_failed("C_Login for one use", rv);
    }
    return {};
}

Outcome<Bytes> Session::sign(ByteView input, std::size_t signature_size) {
    Bytes signature(signature_size);
    CK_ULONG size = signature.size();
    const CK_RV rv =
        module_->call(&CK_FUNCTION_LIST::C_Sign, handle_, in(input), CK_ULONG{input.size()}, signature.data(), &size);
    if (rv != CKR_OK) {
        return call_failed("C_Sign", rv);
    }
    signature.resize(std::min<std::size_t>(size, signature.size()));
    return signature;
}

Outcome<Secret> Session::decrypt(ByteView ciphertext) {
    Bytes plain(ciphertext.size());
    CK_ULONG size = plain.size();
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_Decrypt, handle_, in(ciphertext), CK_ULONG{ciphertext.size()},
                                   plain.data(), &size);
    if (rv != CKR_OK) {
        wipe(plain);
        return call_failed("C_Decrypt", rv);
    }
    Secret secret(ByteView(plain).first(std::min<std::size_t>(size, plain.size())));
    wipe(plain);
    return secret;
}

Outcome<CK_OBJECT_HANDLE> Session::derive(CK_OBJECT_HANDLE key, Bytes point, std::size_t size) {
    CK_ECDH1_DERIVE_PARAMS parameters{CKD_NULL, 0, nullptr, point.size(), point.data()};
    CK_MECHANISM how{CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
    Attributes secret;
    secret.put_number(CKA_CLASS, CKO_SECRET_KEY)
        .put_number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .put_flag(CKA_TOKEN, false)
        .put_flag(CKA_SENSITIVE, false)
        .put_flag(CKA_EXTRACTABLE, true)
        .put_number(CKA_VALUE_LEN, size);
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    const CK_RV rv =
        module_->call(&CK_FUNCTION_LIST::C_DeriveKey, handle_, &how, key, secret.data(), secret.size(), &object);
    if (rv != CKR_OK) {
        return call_failed("C_DeriveKey", rv);
    }
    return object;
}

Outcome<Secret> Session::read_value(CK_OBJECT_HANDLE object, std::size_t size) {
    Bytes value(size);
    CK_ATTRIBUTE attribute{CKA_VALUE, value.data(), value.size()};
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_GetAttributeValue, handle_, object, &attribute, CK_ULONG{1});
    Secret secret;
    if (rv == CKR_OK) {
        secret = Secret(ByteView(value).first(std::min<std::size_t>(attribute.ulValueLen, value.size())));
    }
    wipe(value);
    return rv == CKR_OK ? Outcome<Secret>(std::move(secret)) : call_failed("C_GetAttributeValue", rv);
}

Outcome<Secret> Session::agree(CK_OBJECT_HANDLE key, ByteView point, PointForm form, std::size_t size) {
    Bytes written;
    if (form == PointForm::octet_string) {
        constexpr std::uint8_t octet_string = 0x04;
        written = {octet_string, static_cast<std::uint8_t>(point.size())};
    }
    written.insert(written.end(), point.begin(), point.end());
    const auto object = derive(key, std::move(written), size);
    if (!object) {
        return tl::unexpected(object.error());
    }
    auto secret = read_value(*object, size);
    const auto gone = destroy(*object);
    return secret && !gone ? Outcome<Secret>(tl::unexpected(gone.error())) : std::move(secret);
}

Outcome<void> Session::destroy(CK_OBJECT_HANDLE object) {
    const CK_RV rv = module_->call(&CK_FUNCTION_LIST::C_DestroyObject, handle_, object);
    if (rv != CKR_OK) {
        return call_failed("C_DestroyObject", rv);
    }
    return {};
}

}  // namespace hwenroll::keystore::pkcs11
