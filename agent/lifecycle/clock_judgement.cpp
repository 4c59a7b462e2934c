#include "agent/lifecycle/clock_judgement.h"

#include <algorithm>

namespace hwenroll::lifecycle {
namespace {

constexpr Seconds leap{86400};
constexpr Seconds between_readings{60};
constexpr Seconds agreement{60};

/// How long after `earlier` the reading was made, where that can be told.
std::optional<Seconds> elapsed(const ClockReading& earlier, const ClockReading& reading) {
    if (earlier.boot != reading.boot || reading.since_boot < earlier.since_boot) {
        return std::nullopt;
    }
    return reading.since_boot - earlier.since_boot;
}

bool leaps_ahead(const ClockMemory& memory, const ClockReading& reading) {
    const auto passed = memory.last ? elapsed(*memory.last, reading) : std::nullopt;
    const TimePoint expected = passed ? std::max(memory.floor, memory.last->wall + *passed) : memory.floor;
    return memory.floor != TimePoint{} && reading.wall > expected + leap;
}

enum class Confirmation { no, not_yet, yes };

Confirmation confirmation(const ClockReading& doubted, const ClockReading& reading) {
    const auto passed = elapsed(doubted, reading);
    if (!passed) {
        return Confirmation::no;
    }
    const Seconds apart = reading.wall - (doubted.wall + *passed);
    if (apart > agreement || apart < -agreement) {
        return Confirmation::no;
    }
    return *passed < between_readings ? Confirmation::not_yet : Confirmation::yes;
}

ClockJudgement believed(const ClockReading& reading, TimePoint floor) {
    return {true, {floor, reading, std::nullopt}, {}};
}

ClockJudgement doubted(const ClockMemory& memory, std::string why) {
    return {false, memory, std::move(why)};
}

}  // namespace

ClockJudgement judge_clock(const ClockMemory& memory, const ClockReading& reading, TimePoint built) {
    ClockMemory kept{memory.floor, memory.last, std::nullopt};
    if (reading.wall < built) {
        return doubted(kept, "the clock says " + to_iso8601(reading.wall) + ", before this program was made");
    }
    if (reading.synchronized) {
        return believed(reading, reading.wall);
    }
    if (reading.wall < memory.floor) {
        return doubted(kept, "the clock says " + to_iso8601(reading.wall) + ", and has said " +
                                 to_iso8601(memory.floor) + " before");
    }
    if (leaps_ahead(memory, reading)) {
        const Confirmation said = memory.doubted ? confirmation(*memory.doubted, reading) : Confirmation::no;
        if (said != Confirmation::yes) {
            kept.doubted = said == Confirmation::not_yet ? memory.doubted : reading;
            return doubted(kept, "the clock leapt ahead to " + to_iso8601(reading.wall) +
                                     ", which a second reading a minute later has to confirm");
        }
    }
    return believed(reading, reading.wall);
}

}  // namespace hwenroll::lifecycle
