#include "base/secret.h"

#include <utility>

#include <openssl/crypto.h>

namespace hwenroll {

Secret::Secret(ByteView octets) : octets_(octets.begin(), octets.end()) {}

Secret::Secret(Bytes&& octets) : octets_(std::exchange(octets, {})) {}

Secret::Secret(Secret&& other) noexcept : octets_(std::exchange(other.octets_, {})) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        octets_ = std::exchange(other.octets_, {});
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

Secret Secret::copy() const {
    return Secret(ByteView(octets_));
}

void Secret::wipe() noexcept {
    hwenroll::wipe(octets_);
    octets_.clear();
}

void wipe(std::span<std::uint8_t> octets) noexcept {
    OPENSSL_cleanse(octets.data(), octets.size());
}

}  // namespace hwenroll
