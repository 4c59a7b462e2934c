// A PKCS#11 module for tests: forwards every call to a real module and breaks chosen ones.
//
//   HWENROLL_SHIM_MODULE  the real module; default SoftHSM2
//   HWENROLL_SHIM_RULE    what to break, see rules.h: "C_Sign:1:crash,C_Login:2+:rv=0xa0"; or a file of such rules, by
//                         a path that begins with /
//   HWENROLL_SHIM_LOG     file to which each call appends its function's name
//   HWENROLL_SHIM_COUNT   "log": calls that the log already holds count, so that a rule's number runs on across
//                         processes; else each process counts from 1
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unistd.h>

#include "tests/support/pkcs11_shim/attribute_lie.h"
#include "tests/support/pkcs11_shim/call_log.h"
#include "tests/support/pkcs11_shim/object_handles.h"
#include "tests/support/pkcs11_shim/rules.h"

namespace hwenroll::pkcs11_shim {
namespace {

std::string environment(const char* name, const char* fallback = "") {
    const char* value = std::getenv(name);
    return value != nullptr ? value : fallback;
}

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "hwenroll-pkcs11-shim: %s\n", why.c_str());
    std::abort();
}

CK_FUNCTION_LIST* load_real_module(const std::string& path) {
    // Never RTLD_DEEPBIND: the sanitizers abort on it.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        give_up(dlerror());
    }
    const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* list = nullptr;
    if (get_list == nullptr || get_list(&list) != CKR_OK) {
        give_up(path + " has no function list");
    }
    return list;
}

std::string content(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        give_up("cannot read " + path);
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Whether `action` means anything to `function`.
bool fits(Function function, Action::Kind action);

std::vector<Rule> load_rules() {
    const std::string text = environment("HWENROLL_SHIM_RULE");
    const auto rules = text.starts_with('/') ? parse_rule_file(content(text)) : parse_rules(text);
    if (!rules) {
        give_up("HWENROLL_SHIM_RULE is not understood: " + text);
    }
    for (const Rule& rule : *rules) {
        if (rule.function && !fits(*rule.function, rule.action.kind)) {
            give_up("HWENROLL_SHIM_RULE has an action that " + std::string(name_of(*rule.function)) +
                    " cannot take: " + text);
        }
    }
    return *rules;
}

struct Shim {
    CK_FUNCTION_LIST* real = load_real_module(environment("HWENROLL_SHIM_MODULE", "/usr/lib/softhsm/libsofthsm2.so"));
    std::vector<Rule> rules = load_rules();
    CallLog log{environment("HWENROLL_SHIM_LOG"), environment("HWENROLL_SHIM_COUNT") == "log"};
    ObjectHandles handles;
};

Shim& shim() {
    // Never destroyed: modules are called until the very end of a process.
    static auto* const instance = new Shim;
    return *instance;
}

[[noreturn]] void crash() {
    // A sanitizer's handler would turn the signal into an exit status.
    std::signal(SIGSEGV, SIG_DFL);
    std::raise(SIGSEGV);
    std::abort();
}

[[noreturn]] void hang() {
    for (;;) {
        pause();
    }
}

/// The shim's own version of one function; `Member` is the function's place in CK_FUNCTION_LIST.
template <Function function, auto member>
struct Forwarder;

template <Function function, class... Arguments, CK_RV (*CK_FUNCTION_LIST::*member)(Arguments...)>
struct Forwarder<function, member> {
    using Given = std::tuple<Arguments...>;
    template <std::size_t i>
    using Argument = std::tuple_element_t<i, Given>;
    static constexpr std::size_t count = sizeof...(Arguments);
    static constexpr std::size_t last = count - 1;

    static constexpr bool has_session = takes_session(function);
    static constexpr bool has_object = object_argument(function).has_value();
    static constexpr bool finds = function == Function::C_FindObjects;
    static constexpr bool has_size =
        std::is_same_v<Argument<last>, CK_ULONG*> && objects_made(function) == 0 && function != Function::C_OpenSession;
    static constexpr bool reads = function == Function::C_GetAttributeValue;
    static constexpr bool describes = function == Function::C_GetTokenInfo;

    static constexpr bool fits(Action::Kind action) {
        switch (action) {
            case Action::Kind::crash:
            case Action::Kind::hang:
            case Action::Kind::return_value:
            case Action::Kind::delay:
            case Action::Kind::stale:
                return true;
            case Action::Kind::logout:
            case Action::Kind::close:
                return has_session;
            case Action::Kind::swap:
                return has_object || finds;
            case Action::Kind::one_handle:
                return objects_made(function) == 2;
            case Action::Kind::resize:
            case Action::Kind::too_small:
                return has_size;
            case Action::Kind::wrong:
            case Action::Kind::absent:
            case Action::Kind::unwritten:
            case Action::Kind::bare:
                return reads;
            case Action::Kind::flag:
                return describes;
        }
        return false;
    }

    static CK_RV call(Arguments... arguments) {
        Shim& self = shim();
        const auto number = self.log.note(function);
        auto actions = find_actions(self.rules, function, number.of_function, number.overall);
        std::erase_if(actions, [](const Action& each) { return !fits(each.kind); });  // a rule for all functions
        Given given(arguments...);
        for (const Action& action : actions) {
            if (const auto answer = instead(self, action, given)) {
                return *answer;
            }
        }
        if constexpr (has_object) {
            if (const auto answer = take_object(self, actions, given)) {
                return *answer;
            }
        }
        const CK_RV rv = forward(self, actions, given);
        if (rv == CKR_OK) {
            hand_out_objects(self, actions, given);
            if constexpr (has_size) {
                for (const Action& action : actions) {
                    *std::get<last>(given) += action.kind == Action::Kind::resize ? action.by : 0;
                }
            }
        }
        return rv;
    }

 private:
    /// What comes before the call, or in its place.
    static std::optional<CK_RV> instead(Shim& self, const Action& action, const Given& given) {
        switch (action.kind) {
            case Action::Kind::crash:
                crash();
            case Action::Kind::hang:
                hang();
            case Action::Kind::return_value:
                return action.value;
            case Action::Kind::delay:
                std::this_thread::sleep_for(std::chrono::milliseconds(action.value));
                break;
            case Action::Kind::stale:
                self.handles.invalidate();
                break;
            case Action::Kind::logout:
                self.real->C_Logout(first_argument(given));
                break;
            case Action::Kind::close:
                self.real->C_CloseSession(first_argument(given));
                break;
            case Action::Kind::too_small:
                if constexpr (has_size) {
                    ++*std::get<last>(given);
                }
                return CKR_BUFFER_TOO_SMALL;
            default:
                break;
        }
        return std::nullopt;
    }

    static CK_SESSION_HANDLE first_argument(const Given& given) {
        if constexpr (has_session) {
            return std::get<0>(given);
        }
        return CK_INVALID_HANDLE;
    }

    /// Puts the real module's number in place of the caller's; the call's answer if it is none any more.
    static std::optional<CK_RV> take_object(const Shim& self, const std::vector<Action>& actions, Given& given) {
        constexpr std::size_t place = *object_argument(function);
        auto& object = std::get<place>(given);
        const auto real = self.handles.inward(object);
        if (!real) {
            return place == 1 ? CKR_OBJECT_HANDLE_INVALID : CKR_KEY_HANDLE_INVALID;
        }
        object = has(actions, Action::Kind::swap) ? other_object(*self.real, std::get<0>(given), *real) : *real;
        return std::nullopt;
    }

    static CK_RV forward(const Shim& self, const std::vector<Action>& actions, const Given& given) {
        std::vector<AttributeLie> lies;
        if constexpr (reads) {
            for (const Action& action : actions) {
                if (is_lie(action.kind)) {
                    lies.emplace_back(action, std::get<2>(given), std::get<3>(given));
                }
            }
        }
        const CK_RV rv = std::apply(self.real->*member, given);
        if constexpr (reads) {
            for (const AttributeLie& lie : lies) {
                lie.spoil(std::get<2>(given));
            }
        }
        if constexpr (describes) {
            for (const Action& action : actions) {
                std::get<1>(given)->flags |= action.kind == Action::Kind::flag ? action.value : 0;
            }
        }
        return rv;
    }

    static bool has(const std::vector<Action>& actions, Action::Kind kind) {
        return std::any_of(actions.begin(), actions.end(), [&](const Action& action) { return action.kind == kind; });
    }

    static bool is_lie(Action::Kind kind) {
        return kind == Action::Kind::wrong || kind == Action::Kind::absent || kind == Action::Kind::unwritten ||
               kind == Action::Kind::bare;
    }

    static void hand_out_objects(const Shim& self, const std::vector<Action>& actions, const Given& given) {
        if constexpr (finds) {
            for (CK_ULONG i = 0; i < *std::get<3>(given); ++i) {
                CK_OBJECT_HANDLE& found = std::get<1>(given)[i];
                if (has(actions, Action::Kind::swap)) {
                    found = other_object(*self.real, std::get<0>(given), found);
                }
                found = self.handles.outward(found);
            }
        }
        if constexpr (objects_made(function) == 2) {
            if (has(actions, Action::Kind::one_handle)) {
                CK_OBJECT_HANDLE& one = *std::get<last - 1>(given);
                CK_OBJECT_HANDLE& other = *std::get<last>(given);
                one = other = object_beside(*self.real, std::get<0>(given), one, other);
            }
        }
        if constexpr (objects_made(function) >= 1) {
            *std::get<last>(given) = self.handles.outward(*std::get<last>(given));
        }
        if constexpr (objects_made(function) >= 2) {
            *std::get<last - 1>(given) = self.handles.outward(*std::get<last - 1>(given));
        }
    }
};

bool fits(Function function, Action::Kind action) {
    switch (function) {
#define X(name)          \
    case Function::name: \
        return Forwarder<Function::name, &CK_FUNCTION_LIST::name>::fits(action);
        HWENROLL_PKCS11_FUNCTIONS(X)
#undef X
    }
    return false;
}

CK_RV get_function_list(CK_FUNCTION_LIST** list);

CK_FUNCTION_LIST make_list() {
    CK_FUNCTION_LIST list{};
    list.version = shim().real->version;
    list.C_GetFunctionList = get_function_list;
#define X(name) list.name = Forwarder<Function::name, &CK_FUNCTION_LIST::name>::call;
    HWENROLL_PKCS11_FUNCTIONS(X)
#undef X
    return list;
}

CK_RV get_function_list(CK_FUNCTION_LIST** list) {
    static CK_FUNCTION_LIST own = make_list();
    if (list == nullptr) {
        return CKR_ARGUMENTS_BAD;
    }
    *list = &own;
    return CKR_OK;
}

}  // namespace
}  // namespace hwenroll::pkcs11_shim

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
    return hwenroll::pkcs11_shim::get_function_list(list);
}
