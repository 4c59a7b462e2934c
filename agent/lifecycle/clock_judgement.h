// May the wall clock be believed? Pure: readings come in, what to remember of them goes out (fault catalogue K1 to K4,
// K10).
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace hwenroll::lifecycle {

/// One look at the clocks.
struct ClockReading {
    TimePoint wall;             ///< CLOCK_REALTIME
    Seconds since_boot{};       ///< CLOCK_BOOTTIME: counts in suspend, begins anew with every boot
    std::string boot;           ///< names the boot (the kernel's boot_id); since_boot compares within one only
    bool synchronized = false;  ///< the kernel says that something keeps the clock right (adjtimex without STA_UNSYNC)
    friend bool operator==(const ClockReading&, const ClockReading&) = default;
};

/// What is kept of earlier readings, over restarts too. After a loss of all but `floor` the judgement is as after a
/// boot.
struct ClockMemory {
    TimePoint floor;                      ///< the latest time that was believed; the epoch: none was
    std::optional<ClockReading> last;     ///< the last reading that was believed
    std::optional<ClockReading> doubted;  ///< a leap ahead that waits for a second reading
    friend bool operator==(const ClockMemory&, const ClockMemory&) = default;
};

struct ClockJudgement {
    bool trusted = false;
    ClockMemory memory;  ///< to be kept in place of the one that was given
    std::string why;     ///< for status and history; empty of a trusted clock
};

/// Total and pure. A time before `built`, when this program was made, is never believed (K1). A synchronized clock is,
/// and the floor follows it, down as well: what was believed before was wrong. Any other clock is not believed below
/// the floor (K1, K3), nor more than a day ahead of what the time since the last believed reading explains, until a
/// second reading a minute later agrees with the first (K2, K10). After a boot no time is known to have passed.
ClockJudgement judge_clock(const ClockMemory& memory, const ClockReading& reading, TimePoint built);

}  // namespace hwenroll::lifecycle
