// What is simulated.
#pragma once

#include <cstdint>
#include <optional>

namespace hwenroll::simulation {

/// Bugs that are put in on purpose: each must be seen.
enum class Plant : std::uint8_t {
    nothing,
    jitter_off,              ///< neither renewals nor backoffs are spread
    no_clock_floor,          ///< every clock is believed
    destroy_before_publish,  ///< the old key goes as soon as the new certificate is there
};

struct Options {
    std::uint32_t identities = 1000;
    int years = 3;
    std::uint64_t seed = 1;
    Plant plant = Plant::nothing;
    unsigned threads = 2;                     ///< results do not depend on it
    std::optional<std::uint32_t> trace = {};  ///< only this identity, with everything that happens to it
};

}  // namespace hwenroll::simulation
