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
        crash,         ///< `crash`: SIGSEGV with its default disposition, before the call is forwarded
        hang,          ///< `hang`: never returns, the call is not forwarded
        return_value,  ///< `rv=0xA0`: returns `value`, the call is not forwarded
        delay,         ///< `delay=250`: the call is forwarded after so many milliseconds
        logout,        ///< `logout`: C_Logout in the call's session, then the call is forwarded
        close,         ///< `close`: C_CloseSession of the call's session, then the call is forwarded
        stale,         ///< `stale`: handles of objects handed out so far are invalid until they are found again
        swap,          ///< `swap`: the call's object, or each that it finds, is another one of the same class
        one_handle,    ///< `one-handle`: both halves of a new pair bear the handle of another object
        resize,        ///< `size=-1`: the size or number that a call gives back is so much more or less than it is
        too_small,     ///< `small`: CKR_BUFFER_TOO_SMALL and a size one above what there was room for, not forwarded
        wrong,         ///< `wrong=NAME`: an attribute reads as the opposite, or with another last octet
        absent,        ///< `absent=NAME`: an attribute is not given
        unwritten,     ///< `unwritten=NAME`: an attribute's buffer is left as it was although the call succeeds
        bare,          ///< `bare=NAME`: an attribute lacks its first two octets, the head of a short DER value
        flag,          ///< `flag=NAME`: a flag is set in the token's information
    };
    Kind kind = Kind::crash;
    /// CK_RV, milliseconds, CK_ATTRIBUTE_TYPE or CK_FLAGS, as the kind has it.
    unsigned long value = 0;
    long by = 0;  ///< of resize
};

/// The calls that an action applies to: numbers `first` to `last`, counted from 1.
struct Rule {
    std::optional<Function> function;  ///< nothing: calls of all functions, counted together
    unsigned long first = 1;
    unsigned long last = 1;
    Action action;
};

/// Reads `FUNCTION:CALLS:ACTION`, several separated by commas. FUNCTION: a name, or `*` for the calls of all functions
/// together. CALLS: `3`, `3+` (from the third on), `2-4`, `*`. ACTION: the spellings of Action. Nothing when any part
/// is not understood.
std::optional<std::vector<Rule>> parse_rules(std::string_view text);

/// Reads a file of such rules: lines as above, empty ones, and ones that begin with `#`.
std::optional<std::vector<Rule>> parse_rule_file(std::string_view text);

/// The actions for the `number`-th call of `function`, which is the `overall`-th of all, in the order of the rules.
std::vector<Action> find_actions(const std::vector<Rule>& rules, Function function, unsigned long number,
                                 unsigned long overall);

}  // namespace hwenroll::pkcs11_shim
