// The real sources of time and randomness: the only place that reads them.
#pragma once

#include <memory>

#include "agent/lifecycle/step.h"
#include "base/clock.h"
#include "base/result.h"

namespace hwenroll::runtime {

/// CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
    [[nodiscard]] TimePoint now() const override;
};

/// The clock of the program: CLOCK_REALTIME. In test builds the file that the environment's HWENROLL_CLOCK_FILE names
/// takes its place (test_clock.h). Error code: input_file, when that file cannot be read.
Result<std::unique_ptr<Clock>> make_clock();

/// Fresh octets from the kernel (getrandom(2)). Error code: internal.
Result<lifecycle::Draw> draw();

/// 16 fresh octets, e.g. for a serial number. Error code: internal.
Result<Bytes> random_octets();

}  // namespace hwenroll::runtime
