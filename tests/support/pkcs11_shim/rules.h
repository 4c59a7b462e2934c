// When the shim misbehaves, and how.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/support/pkcs11_shim/functions.h"

namespace hwenroll::pkcs11_shim {

/// What happens instead of, or around, a call. A new kind gets a spelling in rules.cpp and its effect in shim.cpp.
struct Action {
    enum class Kind {
        crash,         ///< SIGSEGV with its default disposition, before the call is forwarded
        hang,          ///< never returns, the call is not forwarded
        return_value,  ///< returns `value`, the call is not forwarded
        logout,        ///< C_Logout in the call's session, then the call is forwarded
    };
    Kind kind = Kind::crash;
    CK_RV value = CKR_OK;
};

/// The calls of one function that an action applies to: numbers `first` to `last`, counted from 1.
struct Rule {
    Function function = Function::C_Initialize;
    unsigned long first = 1;
    unsigned long last = 1;
    Action action;
};

/// Reads `FUNCTION:CALLS:ACTION`, several separated by commas. CALLS: `3`, `3+` (from the third on), `2-4`, `*`.
/// ACTION: `crash`, `hang`, `rv=0xA0`, `logout`. Nothing when any part is not understood.
std::optional<std::vector<Rule>> parse_rules(std::string_view text);

/// The action for the `number`-th call of `function`: the first rule that fits.
std::optional<Action> find_action(const std::vector<Rule>& rules, Function function, unsigned long number);

}  // namespace hwenroll::pkcs11_shim
