// The virtual wall clock that a test shares with the programs it runs: the file behind HWENROLL_CLOCK_FILE and
// scep-lab-ca's --clock-file.
#pragma once

#include <filesystem>

#include "base/scaled_time.h"

namespace hwenroll::test {

/// Owns the time in one file, which is replaced as a whole at each change. Throws std::runtime_error when it cannot be
/// written. Used by one thread.
class ClockFile {
 public:
    /// Starts at `now`. A rate of 0 lets only the test move the time.
    ClockFile(std::filesystem::path path, TimePoint now, std::int64_t rate = 0);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// Virtual time, as the programs see it.
    [[nodiscard]] TimePoint now() const;

    /// It is `now` from this moment on.
    void set(TimePoint now) { write(now, time_.rate); }

    /// `rate` virtual seconds pass in a real one from this moment on.
    void set_rate(std::int64_t rate) { write(now(), rate); }

    void advance(Seconds by) { write(now() + by, time_.rate); }

 private:
    void write(TimePoint now, std::int64_t rate);

    std::filesystem::path path_;
    ScaledTime time_;
};

}  // namespace hwenroll::test
