// What systemd-timedated says about the clock, for an agent whose sandbox denies adjtimex().
#pragma once

#include <chrono>
#include <optional>

namespace hwenroll::runtime {

/// Whether something keeps the clock right: NTPSynchronized of org.freedesktop.timedate1, which is the kernel's own
/// word whatever sets the clock. Nothing where there is no system bus, no such service, or no answer within `patience`,
/// for which the calling thread waits. The question starts the service.
std::optional<bool> ask_clock_service(std::chrono::milliseconds patience);

}  // namespace hwenroll::runtime
