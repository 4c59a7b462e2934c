// The lab CA's wall clock: the system's, or a virtual one that it shares with tests and the agent's test builds.
#pragma once

#include <filesystem>
#include <memory>

#include "base/scaled_time.h"

namespace hwenroll::lab_ca {

/// Reads `file` (base/scaled_time.h) anew at each now(); while it cannot be read, time goes on as it last said. Used by
/// one thread. Error code: input_file.
Result<std::unique_ptr<Clock>> open_shared_clock(const std::filesystem::path& file);

/// CLOCK_REALTIME.
std::unique_ptr<Clock> system_clock();

}  // namespace hwenroll::lab_ca
