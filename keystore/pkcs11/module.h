// A loaded and initialised PKCS#11 module. Internal to keystore/pkcs11.
#pragma once

#include <memory>
#include <string>

#include <p11-kit/pkcs11.h>

#include "base/openssl_ptr.h"
#include "keystore/pkcs11/return_value.h"

namespace hwenroll::keystore::pkcs11 {

/// First of the ladder Module, Session, object. Finalises and unloads on destruction; sessions keep it alive. p11-kit
/// counts users of one shared object in a process, so C_Finalize reaches the module with the last of them.
class Module {
 public:
    /// Loads and initialises the shared object at `path`. Error code: token_module (T1).
    static Result<std::shared_ptr<Module>> load(const std::string& path);

    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;
    ~Module();

    /// Calls a function of the module, e.g. `call(&CK_FUNCTION_LIST::C_Sign, …)`. Modules that use this process's
    /// libcrypto leave entries on its error queue even on success (SoftHSM 2.6.1: "no such engine"): they are dropped.
    template <class Function, class... Arguments>
    CK_RV call(Function function, Arguments... arguments) const {
        const OpenSslErrorScope dropped;
        return (functions_->*function)(arguments...);
    }

 private:
    explicit Module(CK_FUNCTION_LIST* functions) : functions_(functions) {}
    CK_FUNCTION_LIST* functions_;
};

}  // namespace hwenroll::keystore::pkcs11
