// A PIN that outlives its login. Internal to keystore/pkcs11.
#pragma once

#include "base/secret.h"

namespace hwenroll::keystore::pkcs11 {

/// For keys that want the PIN at each use, and for nothing else (design, "Keys stay on the device"): alone in a page
/// that is locked into memory, in no core file and in no child, and wiped with this object.
class KeptPin {
 public:
    /// Copies `pin`, at most 4096 octets; wiping the original is the caller's affair. Error code: token_worker (the
    /// page cannot be locked).
    static Result<KeptPin> keep(const Secret& pin);

    KeptPin(const KeptPin&) = delete;
    KeptPin& operator=(const KeptPin&) = delete;
    KeptPin(KeptPin&& other) noexcept;
    KeptPin& operator=(KeptPin&& other) noexcept;
    ~KeptPin();

    /// Borrowed until this object ends.
    [[nodiscard]] ByteView reveal() const { return pin_; }

 private:
    explicit KeptPin(std::span<std::uint8_t> pin) : pin_(pin) {}
    std::span<std::uint8_t> pin_;  ///< at the beginning of the page
};

}  // namespace hwenroll::keystore::pkcs11
