#include "keystore/pkcs11/slot.h"

#include <string_view>

namespace hwenroll::keystore::pkcs11 {

namespace {

/// Cryptoki pads texts with blanks; some tokens pad with zeros.
template <std::size_t size>
std::string trimmed(const unsigned char (&field)[size]) {
    std::string_view text = as_text(ByteView(field));
    text = text.substr(0, text.find('\0'));
    const auto last = text.find_last_not_of(' ');
    return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

Outcome<std::vector<CK_SLOT_ID>> slot_numbers(const Module& module) {
    std::vector<CK_SLOT_ID> numbers;
    CK_ULONG count = 0;
    CK_RV rv = CKR_OK;
    // The count may grow between the two calls (PKCS#11 v2.40 §5.5); three rounds are plenty.
    for (int round = 0; round < 3; ++round) {
        rv = module.call(&CK_FUNCTION_LIST::C_GetSlotList, static_cast<CK_BBOOL>(CK_TRUE),
                         static_cast<CK_SLOT_ID*>(nullptr), &count);
        if (rv != CKR_OK || count == 0) {
            break;
        }
        numbers.resize(count);
        rv = module.call(&CK_FUNCTION_LIST::C_GetSlotList, static_cast<CK_BBOOL>(CK_TRUE), numbers.data(), &count);
        if (rv != CKR_BUFFER_TOO_SMALL) {
            break;
        }
    }
    if (rv != CKR_OK) {
        return call_failed("C_GetSlotList", rv);
    }
    numbers.resize(count);
    return numbers;
}

}  // namespace

Outcome<CK_TOKEN_INFO> token_info(const Module& module, CK_SLOT_ID slot) {
    CK_TOKEN_INFO info{};
    const CK_RV rv = module.call(&CK_FUNCTION_LIST::C_GetTokenInfo, slot, &info);
    if (rv != CKR_OK) {
        return call_failed("C_GetTokenInfo", rv);
    }
    return info;
}

Outcome<SlotView> slots_with_tokens(const Module& module) {
    const auto numbers = slot_numbers(module);
    if (!numbers) {
        return tl::unexpected(numbers.error());
    }
    SlotView view;
    for (const CK_SLOT_ID number : *numbers) {
        const auto info = token_info(module, number);
        if (info && (info->flags & CKF_TOKEN_INITIALIZED) != 0) {
            view.tokens.push_back(Slot{number, *info});
        } else {
            view.unclear = true;
        }
    }
    return view;
}

TokenDescription description_of(const CK_TOKEN_INFO& token) {
    TokenDescription description;
    description.label = trimmed(token.label);
    description.manufacturer = trimmed(token.manufacturerID);
    description.model = trimmed(token.model);
    description.serial = trimmed(token.serialNumber);
    description.uri = uri_of(token);
    description.login_required = (token.flags & CKF_LOGIN_REQUIRED) != 0;
    description.initialized = (token.flags & CKF_USER_PIN_INITIALIZED) != 0;
    description.pin_count_low = (token.flags & CKF_USER_PIN_COUNT_LOW) != 0;
    description.pin_final_try = (token.flags & CKF_USER_PIN_FINAL_TRY) != 0;
    description.pin_locked = (token.flags & CKF_USER_PIN_LOCKED) != 0;
    return description;
}

std::vector<std::uint64_t> mechanisms_of(const Module& module, CK_SLOT_ID slot) {
    CK_ULONG count = 0;
    CK_RV rv =
        module.call(&CK_FUNCTION_LIST::C_GetMechanismList, slot, static_cast<CK_MECHANISM_TYPE*>(nullptr), &count);
    if (rv != CKR_OK || count == 0 || count > max_mechanisms) {
        return {};
    }
    std::vector<CK_MECHANISM_TYPE> list(count);
    rv = module.call(&CK_FUNCTION_LIST::C_GetMechanismList, slot, list.data(), &count);
    if (rv != CKR_OK || count > list.size()) {
        return {};
    }
    return {list.begin(), list.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace hwenroll::keystore::pkcs11
