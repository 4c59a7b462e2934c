// What systemd is told about this service and asks of it; nothing where there is no systemd.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace hwenroll::runtime {

/// Sends assignments of sd_notify(3), as in "READY=1". Nothing in a build without systemd, or where no service manager
/// listens.
void tell_supervisor(const std::string& assignments);

/// How long the watchdog (WatchdogSec=) lets this process be silent; nothing where it is not watched.
std::optional<std::chrono::microseconds> watchdog_patience();

}  // namespace hwenroll::runtime
