#include "agent/runtime/machine.h"

#include <cstdlib>
#include <string_view>

#include "agent/runtime/machine_id.h"

namespace hwenroll::runtime {
Bytes machine_mark() {
#ifdef HWENROLL_FAILPOINTS
    if (const char* const id = std::getenv("HWENROLL_MACHINE"); id != nullptr) {
        const std::string_view text(id);
        return {text.begin(), text.end()};
    }
#endif
    return application_id_of_this_machine();
}

Status check_machine(store::Store& store) {
    const Bytes here = machine_mark();
    const auto known = store.machine();
    if (!known) {
        return fail(known.error());
    }
    if (here.empty() || *known == here) {
        return {};
    }
    if (known->empty()) {
        return store.commit_machine(here);
    }
    return fail(ErrorCode::state_machine, "the state directory was made on another machine",
                "its machine-id is not this one's");
}

Result<bool> accept_machine(store::Store& store) {
    const Bytes here = machine_mark();
    const auto known = store.machine();
    if (!known) {
        return fail(known.error());
    }
    if (here.empty() || *known == here) {
        return false;
    }
    if (const Status kept = store.commit_machine(here); !kept) {
        return fail(kept.error());
    }
    return !known->empty();
}

}  // namespace hwenroll::runtime
