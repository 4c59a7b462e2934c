#include "tests/simulation/machine_clock.h"

namespace hwenroll::simulation {

lifecycle::ClockReading MachineClock::read(TimePoint now) const {
    return {wall(now), now - booted_at_, std::to_string(boots_), has_service_ && offset_ == Seconds(0)};
}

void MachineClock::boot(TimePoint now, bool battery, Random& random) {
    booted_at_ = now;
    ++boots_;
    if (!battery) {
        offset_ = TimePoint(random.between(Seconds(0), 32 * 365 * day)) - now;
    }
}

TimePoint MachineClock::jump(TimePoint now, Random& random) {
    switch (random.between(0, 3)) {
        case 0:
            offset_ = random.between(-hour, hour);
            return now + random.between(5 * minute, 6 * hour);
        case 1:
            offset_ = -random.between(2 * day, 3 * 365 * day);
            return now + random.between(10 * minute, 12 * hour);
        case 2:
            offset_ = random.between(2 * day, 20 * 365 * day);
            return now + random.between(Seconds(5), Seconds(59));
        default:
            offset_ = random.between(2 * day, 20 * 365 * day);
            // Without a service nothing would ever prove that the leap was wrong (clock_judgement.h).
            return now + (has_service_ ? random.between(2 * minute, 12 * hour) : Seconds(59));
    }
}

void MachineClock::put_right() {
    offset_ = Seconds(0);
}

}  // namespace hwenroll::simulation
