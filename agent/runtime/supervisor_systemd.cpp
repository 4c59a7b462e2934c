#include <systemd/sd-daemon.h>

#include "agent/runtime/supervisor.h"

namespace hwenroll::runtime {

void tell_supervisor(const std::string& assignments) {
    ::sd_notify(0, assignments.c_str());
}

std::optional<std::chrono::microseconds> watchdog_patience() {
    std::uint64_t limit_us = 0;
    if (::sd_watchdog_enabled(0, &limit_us) <= 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds(limit_us);
}

}  // namespace hwenroll::runtime
