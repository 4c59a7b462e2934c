// HWENROLL_SYSTEMD=OFF.
#include "agent/runtime/service_manager.h"

namespace hwenroll::runtime {

void tell_service_manager(const std::string&) {}

std::optional<std::chrono::microseconds> watchdog_patience() {
    return std::nullopt;
}

}  // namespace hwenroll::runtime
