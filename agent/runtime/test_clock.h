// The clock of tests: wall time from a file that the test writes. Compiled only where HWENROLL_FAILPOINTS is on.
#pragma once

#ifdef HWENROLL_FAILPOINTS
#include <filesystem>
#include <memory>
#include <mutex>

#include "base/scaled_time.h"

namespace hwenroll::runtime {

/// Reads the file anew at each now(), so that a test may set the time or its rate at any moment.
class TestClock final : public Clock {
 public:
    /// Reads `file` once. Error code: input_file, when it is missing or no test clock.
    static Result<std::unique_ptr<TestClock>> open(std::filesystem::path file);

    /// While the file cannot be read, time goes on as it last said.
    [[nodiscard]] TimePoint now() const override;

 private:
    TestClock(std::filesystem::path file, const ScaledTime& time) : file_(std::move(file)), last_(time) {}

    std::filesystem::path file_;
    mutable std::mutex mutex_;
    mutable ScaledTime last_;
};

}  // namespace hwenroll::runtime
#endif
