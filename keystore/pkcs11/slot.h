// Slots and the tokens in them. Internal to keystore/pkcs11.
#pragma once

#include <vector>

#include "keystore/pkcs11/module.h"
#include "keystore/pkcs11/token_uri.h"
#include "keystore/token.h"

namespace hwenroll::keystore::pkcs11 {

/// A slot that held an initialised token when it was looked at. The number is good only while the module stays loaded.
struct Slot {
    CK_SLOT_ID number = 0;
    CK_TOKEN_INFO token{};
};

/// What C_GetTokenInfo says now.
Outcome<CK_TOKEN_INFO> token_info(const Module& module, CK_SLOT_ID slot);

/// What the slots of a module show.
struct SlotView {
    std::vector<Slot> tokens;  ///< every initialised one (CKF_TOKEN_INITIALIZED)
    bool unclear = false;      ///< another slot has a token that is not initialised or cannot be read
};
Outcome<SlotView> slots_with_tokens(const Module& module);

TokenDescription description_of(const CK_TOKEN_INFO& token);

/// The mechanisms that the token in a slot offers, at most max_mechanisms; empty when the module does not tell.
std::vector<std::uint64_t> mechanisms_of(const Module& module, CK_SLOT_ID slot);
inline constexpr std::size_t max_mechanisms = 1024;

}  // namespace hwenroll::keystore::pkcs11
