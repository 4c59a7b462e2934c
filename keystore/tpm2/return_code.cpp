#include "keystore/tpm2/return_code.h"

#include <algorithm>
#include <array>
#include <tss2/tss2_rc.h>

#include <fmt/format.h>

namespace hwenroll::keystore::tpm2 {

namespace {

struct Row {
    TPM2_RC response;
    ErrorCode code;
    Reaction reaction;
};

/// Responses that are not simply a failed operation.
constexpr std::array rows = {
    Row{TPM2_RC_RETRY, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_YIELDED, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_TESTING, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_CANCELED, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_NV_RATE, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_NV_UNAVAILABLE, ErrorCode::token_operation, Reaction::call_again},
    Row{TPM2_RC_OBJECT_MEMORY, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_SESSION_MEMORY, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_MEMORY, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_SESSION_HANDLES, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_OBJECT_HANDLES, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_CONTEXT_GAP, ErrorCode::token_operation, Reaction::make_room},
    Row{TPM2_RC_NV_SPACE, ErrorCode::token_full, Reaction::give_up},
    Row{TPM2_RC_INTEGRITY, ErrorCode::token_key_missing, Reaction::give_up},
    Row{TPM2_RC_HANDLE, ErrorCode::token_key_missing, Reaction::give_up},
};

/// TSS 2.0 TCTI §3.5.2 and tctildr's own failures: no way to the TPM (P6, P14).
bool is_transport(TSS2_RC rc) {
    const TSS2_RC base = rc & ~TSS2_RC_LAYER_MASK;
    return (rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER || base == TSS2_BASE_RC_IO_ERROR ||
           base == TSS2_BASE_RC_NO_CONNECTION || base == TSS2_BASE_RC_NOT_SUPPORTED;
}

const Row* row_of(TSS2_RC rc) {
    const TPM2_RC response = response_of(rc);
    const auto* row =
        std::find_if(rows.begin(), rows.end(), [response](const Row& each) { return each.response == response; });
    return row == rows.end() ? nullptr : row;
}

}  // namespace

std::string CallFailure::text() const {
    return fmt::format("{}: {} ({:#x}){}{}", function, Tss2_RC_Decode(rc), rc, cause.empty() ? "" : ": ", cause);
}

TPM2_RC response_of(TSS2_RC rc) {
    // A resource manager answers in the TPM's name with a layer of its own.
    const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) {
        return TPM2_RC_SUCCESS;
    }
    const TPM2_RC response = rc & ~TSS2_RC_LAYER_MASK;
    // Part 2 §6.6.2: bit 7 is format one, its error is in bits 0 to 5, the rest says what it is about.
    constexpr TPM2_RC format_one_error = TPM2_RC_FMT1 | 0x3F;
    return (response & TPM2_RC_FMT1) != 0 ? response & format_one_error : response;
}

ErrorCode code_of(TSS2_RC rc) {
    if (const Row* row = row_of(rc)) {
        return row->code;
    }
    return response_of(rc) == TPM2_RC_SUCCESS && is_transport(rc) ? ErrorCode::token_absent
                                                                  : ErrorCode::token_operation;
}

Reaction reaction_to(TSS2_RC rc) {
    const Row* row = row_of(rc);
    return row == nullptr ? Reaction::give_up : row->reaction;
}

bool is_refusal(TSS2_RC rc) {
    const TPM2_RC response = response_of(rc);
    return response == TPM2_RC_AUTH_FAIL || response == TPM2_RC_BAD_AUTH;
}

bool is_unsupported(TSS2_RC rc) {
    const TPM2_RC response = response_of(rc);
    return response == TPM2_RC_VALUE || response == TPM2_RC_KEY_SIZE || response == TPM2_RC_CURVE ||
           response == TPM2_RC_ASYMMETRIC || response == TPM2_RC_TYPE || response == TPM2_RC_SIZE;
}

}  // namespace hwenroll::keystore::tpm2
