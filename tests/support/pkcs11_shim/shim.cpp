// A PKCS#11 module for tests: forwards every call to a real module and breaks chosen ones.
//
//   HWENROLL_SHIM_MODULE  the real module; default SoftHSM2
//   HWENROLL_SHIM_RULE    what to break, see rules.h: "C_Sign:1:crash,C_Login:2+:rv=0xa0"
//   HWENROLL_SHIM_LOG     file to which each call appends its function's name
//   HWENROLL_SHIM_COUNT   "log": calls that the log already holds count, so that a rule's number runs on across
//                         processes; else each process counts from 1
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <type_traits>
#include <unistd.h>

#include "tests/support/pkcs11_shim/call_log.h"
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

std::vector<Rule> load_rules() {
    const std::string text = environment("HWENROLL_SHIM_RULE");
    auto rules = parse_rules(text);
    if (!rules) {
        give_up("HWENROLL_SHIM_RULE is not understood: " + text);
    }
    return std::move(*rules);
}

struct Shim {
    CK_FUNCTION_LIST* real = load_real_module(environment("HWENROLL_SHIM_MODULE", "/usr/lib/softhsm/libsofthsm2.so"));
    std::vector<Rule> rules = load_rules();
    CallLog log{environment("HWENROLL_SHIM_LOG"), environment("HWENROLL_SHIM_COUNT") == "log"};
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
    static CK_RV call(Arguments... arguments) {
        Shim& self = shim();
        const auto action = find_action(self.rules, function, self.log.note(function));
        if (!action) {
            return (self.real->*member)(arguments...);
        }
        switch (action->kind) {
            case Action::Kind::crash:
                crash();
            case Action::Kind::hang:
                hang();
            case Action::Kind::logout:
                log_out(self, arguments...);
                return (self.real->*member)(arguments...);
            case Action::Kind::return_value:
                break;
        }
        return action->value;
    }

 private:
    template <class First, class... Others>
    static void log_out(const Shim& self, First first, Others...) {
        if constexpr (std::is_same_v<First, CK_SESSION_HANDLE>) {
            self.real->C_Logout(first);
        }
    }
};

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
