// How often in a row the agent has ended badly soon after it had started (X18).
#pragma once

#include <chrono>
#include <filesystem>

#include "base/clock.h"

namespace hwenroll::runtime {

/// From so many on the agent rests: it answers questions and touches neither tokens nor CAs.
inline constexpr unsigned crashes_before_rest = 5;

/// A start that was this long ago was no crash.
inline constexpr std::chrono::minutes time_to_prove_itself{1};

/// After this the agent tries again by itself.
inline constexpr std::chrono::hours rest_after_crashes{1};

/// Who is not heard says it again: once so often while the agent rests.
inline constexpr Seconds rest_reminder{86400};

/// A number in `<runtime_dir>/starts`. That directory does not outlive a boot, nor should what is counted: a machine
/// that loses its power is no program that crashes. What cannot be read or written counts as nothing.
class StartRecord {
 public:
    explicit StartRecord(const std::filesystem::path& runtime_dir) : file_(runtime_dir / "starts") {}

    /// Counts this start. The number of starts before it that have not been cleared.
    unsigned begin();

    /// All is well: it has lived long enough, or ends in order.
    void clear();

 private:
    std::filesystem::path file_;
};

}  // namespace hwenroll::runtime
