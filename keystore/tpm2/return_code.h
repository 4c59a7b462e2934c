// TSS2_RC, the outcome of every call of tpm2-tss: texts and what they mean for us (TPM 2.0 part 2 §6.6, TSS 2.0
// Overview §3.6). Internal to keystore/tpm2.
#pragma once

#include <string>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include "base/result.h"

namespace hwenroll::keystore::tpm2 {

/// A call of tpm2-tss that did not return TSS2_RC_SUCCESS.
struct CallFailure {
    const char* function = "";  ///< e.g. "Esys_Sign"
    TSS2_RC rc = TSS2_RC_SUCCESS;
    std::string cause = {};  ///< what tpm2-tss does not tell: `/dev/tpmrm0 cannot be opened: Permission denied`
    std::string next = {};   ///< what to do about it; empty: what the error table says

    /// `Esys_Sign: tpm:session(1):the authorization HMAC check failed … (0x98e)`.
    [[nodiscard]] std::string text() const;
};

/// What a wrapped call yields.
template <class T>
using Outcome = tl::expected<T, CallFailure>;

inline tl::unexpected<CallFailure> call_failed(const char* function, TSS2_RC rc) {
    return tl::unexpected<CallFailure>(CallFailure{function, rc, {}, {}});
}

/// What can help after a failed call.
enum class Reaction : std::uint8_t {
    give_up,     ///< the answer stays the same
    call_again,  ///< the TPM asks for it: busy, testing itself, sparing its memory (P7)
    make_room,   ///< flush what earlier clients left behind, then do the whole operation once more (P4, P5)
};

/// The TPM's own response code, without the layer and without the number of the handle, session or parameter it is
/// about; TPM2_RC_SUCCESS when the failure is not the TPM's.
TPM2_RC response_of(TSS2_RC rc);

/// The row of the error table that a failed call belongs to. A refused authorization is token_operation here: only who
/// knows whose authorization it was can tell whether it is the PIN's.
ErrorCode code_of(TSS2_RC rc);

Reaction reaction_to(TSS2_RC rc);

/// The TPM itself judged an authorization value and refused it (P2).
bool is_refusal(TSS2_RC rc);

/// The TPM does not make or know keys of this kind.
bool is_unsupported(TSS2_RC rc);

}  // namespace hwenroll::keystore::tpm2
