// More than one look for a token. Internal to keystore/pkcs11.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace hwenroll::keystore::pkcs11 {

/// The looks for a token that a module shows as not initialised, or that cannot be read. SoftHSM2 (2.6.1) empties a
/// token's file and writes it anew in each C_Login of any process: a C_Initialize in between finds a slot without a
/// token there, and only the next C_Initialize finds it again (C_GetSlotList never does).
class RepeatedLook {
 public:
    /// Between two looks. The file is empty for less than a millisecond, and for some tens of them where the process
    /// that logs in waits for a processor or a disk; what is away for longer is away.
    static constexpr std::array<std::chrono::milliseconds, 4> pauses{
        std::chrono::milliseconds(20), std::chrono::milliseconds(40), std::chrono::milliseconds(80),
        std::chrono::milliseconds(120)};

    /// Waits for the time of the next look; false at once when there was the last one.
    bool again();

 private:
    std::size_t looks_ = 0;
};

}  // namespace hwenroll::keystore::pkcs11
