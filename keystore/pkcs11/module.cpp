#include "keystore/pkcs11/module.h"

#include <fmt/format.h>
#include <p11-kit/p11-kit.h>

namespace hwenroll::keystore::pkcs11 {

Result<std::shared_ptr<Module>> Module::load(const std::string& path) {
    const OpenSslErrorScope dropped;
    CK_FUNCTION_LIST* const functions = p11_kit_module_load(path.c_str(), 0);
    if (functions == nullptr) {
        const char* const reason = p11_kit_message();
        return fail(ErrorCode::token_module, fmt::format("cannot load PKCS#11 module '{}'", path),
                    reason == nullptr ? "no reason given" : reason);
    }
    const CK_RV rv = p11_kit_module_initialize(functions);
    if (rv != CKR_OK) {
        p11_kit_module_release(functions);
        return fail(ErrorCode::token_module, fmt::format("cannot initialise PKCS#11 module '{}'", path),
                    CallFailure{"C_Initialize", rv}.text());
    }
    return std::shared_ptr<Module>(new Module(functions));
}

Module::~Module() {
    const OpenSslErrorScope dropped;
    p11_kit_module_finalize(functions_);
    p11_kit_module_release(functions_);
}

}  // namespace hwenroll::keystore::pkcs11
