// The clocks of one machine and what goes wrong with them.
#pragma once

#include "agent/lifecycle/clock_judgement.h"
#include "tests/simulation/authority_timeline.h"
#include "tests/simulation/random.h"

namespace hwenroll::simulation {

class MachineClock {
 public:
    /// `has_service`: something synchronizes the clock and the kernel knows.
    MachineClock(TimePoint booted_at, bool has_service) : booted_at_(booted_at), has_service_(has_service) {}

    [[nodiscard]] TimePoint wall(TimePoint now) const { return now + offset_; }
    [[nodiscard]] TimePoint at(TimePoint wall) const { return wall - offset_; }
    [[nodiscard]] lifecycle::ClockReading read(TimePoint now) const;
    [[nodiscard]] Seconds offset() const { return offset_; }
    /// Off by so much that no promise about hours can be kept by it.
    [[nodiscard]] bool is_wrong() const { return offset_ > hour || offset_ < -hour; }

    /// A boot. Without a battery the clock begins somewhere in the past.
    void boot(TimePoint now, bool battery, Random& random);
    /// A jump of some kind; the time at which it is put right.
    TimePoint jump(TimePoint now, Random& random);
    void put_right();

 private:
    TimePoint booted_at_;
    bool has_service_;
    Seconds offset_{};
    std::uint32_t boots_ = 0;
};

}  // namespace hwenroll::simulation
