#include "agent/runtime/clock_trust.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sys/timex.h>

#include "agent/runtime/clock_service.h"
#include "base/failpoint.h"

namespace hwenroll::runtime {
namespace {

/// No earlier than the sources of this program: 2026-11-01.
constexpr TimePoint built{std::chrono::sys_days(std::chrono::year(2026) / 11 / 1)};

/// How far the floor moves before it is written again (design: at most 24 fsyncs a day when idle).
constexpr Seconds floor_step{4 * 3600};

/// The loop stands still for that long at most, once a look, while the clock is doubted.
constexpr std::chrono::seconds service_patience{1};

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

bool is_test_clock() {
#ifdef HWENROLL_FAILPOINTS
    return std::getenv("HWENROLL_CLOCK_FILE") != nullptr && std::getenv("HWENROLL_CLOCK_UNSYNCHRONIZED") == nullptr;
#else
    return false;
#endif
}

/// Nothing where the kernel may not be asked, as under ProtectClock=.
std::optional<bool> ask_kernel() {
    timex state{};
    if (::adjtimex(&state) < 0) {
        return std::nullopt;
    }
    return (state.status & STA_UNSYNC) == 0;
}

}  // namespace

lifecycle::ClockReading read_clocks(const Clock& clock) {
    lifecycle::ClockReading reading;
    reading.wall = clock.now();
    timespec since_boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    reading.since_boot = Seconds(since_boot.tv_sec);
    reading.boot = boot_id();
    reading.synchronized = is_test_clock() || ask_kernel().value_or(false);
    return reading;
}

ClockTrust::ClockTrust(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

Status ClockTrust::look() {
    if (!loaded_) {
        auto seen = store_.clock_seen();
        if (!seen) {
            return fail(seen.error());
        }
        judgement_.memory.floor = seen->value_or(TimePoint{});
        committed_ = judgement_.memory.floor;
        loaded_ = true;
    }
    const lifecycle::ClockMemory memory = judgement_.memory;
    lifecycle::ClockReading reading = read_clocks(clock_);
    judgement_ = lifecycle::judge_clock(memory, reading, built);
    // The question starts a program, so it is left until something hangs on its answer.
    if (!judgement_.trusted && !reading.synchronized && !ask_kernel() && ask_clock_service(service_patience) == true) {
        reading.synchronized = true;
        judgement_ = lifecycle::judge_clock(memory, reading, built);
    }
    store_.trust_clock(judgement_.trusted);
    const TimePoint floor = judgement_.memory.floor;
    if (floor >= committed_ + floor_step || floor < committed_) {
        if (Status kept = store_.commit_clock_seen(floor); !kept) {
            return kept;
        }
        failpoint("clock-seen");
        committed_ = floor;
    }
    return {};
}

}  // namespace hwenroll::runtime
