#include "keystore/pkcs11/kept_pin.h"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <system_error>
#include <utility>

namespace hwenroll::keystore::pkcs11 {

namespace {

constexpr std::size_t room = 4096;

tl::unexpected<Error> cannot_lock(int number) {
    return fail(ErrorCode::token_worker, "a PIN that a key wants at each use cannot be kept in locked memory",
                std::generic_category().message(number), "raise RLIMIT_MEMLOCK (LimitMEMLOCK=) of the token worker");
}

}  // namespace

Result<KeptPin> KeptPin::keep(const Secret& pin) {
    if (pin.size() > room) {
        return cannot_lock(ENOMEM);
    }
    void* const page = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return cannot_lock(errno);
    }
    if (mlock(page, room) != 0 || madvise(page, room, MADV_DONTDUMP) != 0 || madvise(page, room, MADV_DONTFORK) != 0) {
        const int number = errno;
        munmap(page, room);
        return cannot_lock(number);
    }
    const std::span<std::uint8_t> kept(static_cast<std::uint8_t*>(page), pin.size());
    std::ranges::copy(pin.reveal(), kept.begin());
    return KeptPin(kept);
}

KeptPin::KeptPin(KeptPin&& other) noexcept : pin_(std::exchange(other.pin_, {})) {}

KeptPin& KeptPin::operator=(KeptPin&& other) noexcept {
    std::swap(pin_, other.pin_);
    return *this;
}

KeptPin::~KeptPin() {
    if (pin_.data() != nullptr) {
        wipe(pin_);
        munmap(pin_.data(), room);
    }
}

}  // namespace hwenroll::keystore::pkcs11
