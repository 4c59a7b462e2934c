#include "agent/runtime/machine.h"

#include <cstdlib>
#include <string_view>

#include <systemd/sd-id128.h>

namespace hwenroll::runtime {
namespace {

/// Chosen once for this program (sd_id128_get_machine_app_specific(3)): the machine's id itself stays where it is.
constexpr sd_id128_t application{
    {0x1f, 0x6e, 0x4c, 0x0b, 0x52, 0x8d, 0x4a, 0x37, 0x9b, 0x0a, 0x63, 0xd4, 0x2e, 0x71, 0xc8, 0x95}};

}  // namespace

Bytes machine_mark() {
#ifdef HWENROLL_FAILPOINTS
    if (const char* const id = std::getenv("HWENROLL_MACHINE"); id != nullptr) {
        const std::string_view text(id);
        return {text.begin(), text.end()};
    }
#endif
    sd_id128_t id{};
    if (::sd_id128_get_machine_app_specific(application, &id) < 0) {
        return {};
    }
    return {std::begin(id.bytes), std::end(id.bytes)};
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
