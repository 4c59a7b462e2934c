// A build without libsystemd reaches no system bus.
#include "agent/runtime/clock_service.h"

namespace hwenroll::runtime {

std::optional<bool> ask_clock_service(std::chrono::milliseconds) {
    return std::nullopt;
}

}  // namespace hwenroll::runtime
