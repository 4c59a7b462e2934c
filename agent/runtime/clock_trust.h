// Whether the wall clock may be believed, as of the last look at the clocks (K1 to K4, K10).
#pragma once

#include <string>

#include "agent/lifecycle/clock_judgement.h"
#include "agent/store/store.h"

namespace hwenroll::runtime {

/// What the clocks of this machine say now. `clock` gives the wall time; a clock that tests move counts as
/// synchronized, one whose state the kernel may not be asked for (ProtectClock=) does not.
lifecycle::ClockReading read_clocks(const Clock& clock);

/// Looks when it is told to, and remembers the latest time that it believed. The loop's thread.
class ClockTrust {
 public:
    /// Both references must outlive it.
    ClockTrust(store::Store& store, const Clock& clock);

    /// Looks at the clocks; where the kernel may not be asked about one that is doubted, systemd-timedated is, for a
    /// second at most. The floor is committed when it has moved by hours, so that an idle agent hardly writes.
    /// Error code: state_database; the judgement stands all the same.
    Status look();

    [[nodiscard]] bool trusted() const { return judgement_.trusted; }

    /// Why not, for people; empty of a trusted clock.
    [[nodiscard]] const std::string& why() const { return judgement_.why; }

 private:
    store::Store& store_;
    const Clock& clock_;
    bool loaded_ = false;
    TimePoint committed_;
    lifecycle::ClockJudgement judgement_;
};

}  // namespace hwenroll::runtime
