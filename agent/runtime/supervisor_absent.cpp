// HWENROLL_SYSTEMD=OFF.
#include "agent/runtime/supervisor.h"

namespace hwenroll::runtime {

void tell_supervisor(const std::string&) {}

std::optional<std::chrono::microseconds> watchdog_patience() {
    return std::nullopt;
}

}  // namespace hwenroll::runtime
