// The simulation's only source of chance: the same numbers from the same seed, whatever the standard library.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace hwenroll::simulation {

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9E3779B97F4A7C15U;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
        return mixed ^ (mixed >> 31U);
    }

    /// Uniform, both ends included.
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(most - least + 1));
    }
    Seconds between(Seconds least, Seconds most) { return Seconds(between(least.count(), most.count())); }

    /// True once in `n` times.
    bool one_in(std::uint64_t n) { return next() % n == 0; }

 private:
    std::uint64_t state_;
};

}  // namespace hwenroll::simulation
