#include "agent/runtime/system_clock.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <sys/random.h>

#include "agent/runtime/test_clock.h"

namespace hwenroll::runtime {
namespace {

// getrandom(2) gives up to 256 octets whole.
bool fill(std::span<std::uint8_t> octets) {
    return ::getrandom(octets.data(), octets.size(), 0) == static_cast<ssize_t>(octets.size());
}

Error no_randomness() {
    return Error(ErrorCode::internal, "cannot draw random octets", std::strerror(errno));
}

}  // namespace

TimePoint SystemClock::now() const {
    return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

Result<std::unique_ptr<Clock>> make_clock() {
#ifdef HWENROLL_FAILPOINTS
    if (const char* file = std::getenv("HWENROLL_CLOCK_FILE"); file != nullptr) {
        auto clock = TestClock::open(file);
        if (!clock) {
            return fail(clock.error());
        }
        return *std::move(clock);
    }
#endif
    return std::make_unique<SystemClock>();
}

Result<lifecycle::Draw> draw() {
    lifecycle::Draw drawn;
    std::array<std::uint8_t, sizeof drawn.fraction> fraction{};
    if (!fill(drawn.identifier) || !fill(drawn.nonce) || !fill(fraction)) {
        return fail(no_randomness());
    }
    for (const std::uint8_t octet : fraction) {
        drawn.fraction = (drawn.fraction << 8U) | octet;
    }
    return drawn;
}

Result<Bytes> random_octets() {
    Bytes octets(16);
    if (!fill(octets)) {
        return fail(no_randomness());
    }
    return octets;
}

}  // namespace hwenroll::runtime
