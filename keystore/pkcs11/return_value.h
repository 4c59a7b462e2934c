// CK_RV, the outcome of every Cryptoki call (PKCS#11 v2.40 §5.1): names, texts and what they mean for us. Internal to
// keystore/pkcs11.
#pragma once

#include <string>

#include <p11-kit/pkcs11.h>

#include "base/result.h"

namespace hwenroll::keystore::pkcs11 {

/// A Cryptoki call that did not return CKR_OK.
struct CallFailure {
    const char* function = "";  ///< e.g. "C_Sign"
    CK_RV rv = CKR_OK;

    /// `C_Sign: CKR_DEVICE_ERROR (0x30)`.
    [[nodiscard]] std::string text() const;
};

/// What a wrapped Cryptoki call yields.
template <class T>
using Outcome = tl::expected<T, CallFailure>;

inline tl::unexpected<CallFailure> call_failed(const char* function, CK_RV rv) {
    return tl::unexpected<CallFailure>(CallFailure{function, rv});
}

/// `CKR_DEVICE_ERROR (0x30)`; vendor codes read `vendor-defined (0x80000001)`.
std::string name_of(CK_RV rv);

/// The row of the error table that a failed call belongs to.
ErrorCode code_of(CK_RV rv);

/// The session or a handle is no longer good, or the session is stuck in an earlier operation; nothing was done with a
/// key. Worth one repeat in a new session (T5, T6).
bool is_stale(CK_RV rv);

/// A failure that may pass by itself (T15).
bool is_transient(CK_RV rv);

/// What tokens answer to a ciphertext whose padding is wrong. SoftHSM 2.6.1 says CKR_GENERAL_ERROR.
bool is_padding_failure(CK_RV rv);

/// The token makes no keys of the kind, size or curve that it was asked for.
bool is_unsupported_key(CK_RV rv);

/// The module does not take the mechanism's parameter as it was written.
bool is_parameter_refusal(CK_RV rv);

/// What tokens answer to a template that says more than they understand. tpm2-pkcs11 1.9.0 says CKR_GENERAL_ERROR.
bool is_template_refusal(CK_RV rv);

/// The token itself judged the PIN and refused it.
bool is_pin_refusal(CK_RV rv);

/// An answer of C_Login that is given before the PIN is looked at (PKCS#11 v2.40 §5.1, §5.6). Short on purpose: every
/// other failure may have cost a try.
bool precedes_pin(CK_RV rv);

/// The module has forgotten this process, as network HSMs do when idle (T8): only C_Initialize helps.
bool is_module_gone(CK_RV rv);

}  // namespace hwenroll::keystore::pkcs11
